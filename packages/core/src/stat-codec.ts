import protobuf from "protobufjs/minimal.js";
import { createKnownText, StatReader } from "./stat-reader.ts";
import type { RevisionStat, Stat } from "./stat.ts";

/** `Content-Type` of a stat served over HTTP. Knative's scraper compares it exactly. */
export const statContentType = "application/protobuf";

// Tags are (field number << 3 | wire type); the messages are small and fixed, so they are written out:
// proto3 leaves zero values away, and unknown fields are skipped, as any generated codec would.
const tag = {
  podName: 0x0a,
  averageConcurrentRequests: 0x11,
  averageProxiedConcurrentRequests: 0x19,
  requestCount: 0x21,
  proxiedRequestCount: 0x29,
  processUptime: 0x31,
  timestamp: 0x38,
  held: 0x79,
  namespace: 0x0a,
  name: 0x12,
  stat: 0x1a,
  messages: 0x0a,
} as const;

export function encodeStat(stat: Stat): Uint8Array {
  return writeStat(protobuf.Writer.create(), stat).finish();
}

/** Throws on truncated or malformed input; unknown fields are skipped. */
export function decodeStat(bytes: Uint8Array): Stat {
  const reader = new StatReader(bytes);
  return readStat(reader, reader.end, createKnownText());
}

/** The body of one WebSocket message from an activator: `WireStatMessages`. */
export function encodeStatBatch(batch: Iterable<RevisionStat>): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const message of batch) {
    writer.uint32(tag.messages).fork();
    writeText(writer, tag.namespace, message.namespace);
    writeText(writer, tag.name, message.name);
    writeStat(writer.uint32(tag.stat).fork(), message.stat).ldelim();
    writer.ldelim();
  }
  return writer.finish();
}

/** Throws on truncated or malformed input. A message without a stat is left out, as Knative's server does. */
export function decodeStatBatch(bytes: Uint8Array): RevisionStat[] {
  const reader = new StatReader(bytes);
  const texts = { namespace: createKnownText(), name: createKnownText(), podName: createKnownText() };
  const batch: RevisionStat[] = [];
  while (reader.position < reader.end) {
    const field = reader.readUint32();
    if (field !== tag.messages) {
      reader.skip(field & 7);
      continue;
    }
    const message = readRevisionStat(reader, reader.readMessageEnd(), texts);
    if (message !== undefined) batch.push(message);
  }
  return batch;
}

type KnownText = ReturnType<typeof createKnownText>;

function writeText(writer: protobuf.Writer, field: number, text: string): void {
  if (text !== "") writer.uint32(field).string(text);
}

function writeDouble(writer: protobuf.Writer, field: number, value: number): void {
  if (value !== 0) writer.uint32(field).double(value);
}

function writeStat(writer: protobuf.Writer, stat: Stat): protobuf.Writer {
  writeText(writer, tag.podName, stat.podName);
  writeDouble(writer, tag.averageConcurrentRequests, stat.averageConcurrentRequests);
  writeDouble(writer, tag.averageProxiedConcurrentRequests, stat.averageProxiedConcurrentRequests);
  writeDouble(writer, tag.requestCount, stat.requestCount);
  writeDouble(writer, tag.proxiedRequestCount, stat.proxiedRequestCount);
  writeDouble(writer, tag.processUptime, stat.processUptime);
  if (stat.timestamp !== 0) writer.uint32(tag.timestamp).int64(stat.timestamp);
  writeDouble(writer, tag.held, stat.held);
  return writer;
}

function readRevisionStat(
  reader: StatReader,
  end: number,
  texts: { readonly namespace: KnownText; readonly name: KnownText; readonly podName: KnownText },
): RevisionStat | undefined {
  let namespace = "";
  let name = "";
  let stat: Stat | undefined;
  while (reader.position < end) {
    const field = reader.readUint32();
    if (field === tag.namespace) namespace = reader.readText(texts.namespace);
    else if (field === tag.name) name = reader.readText(texts.name);
    else if (field === tag.stat) stat = readStat(reader, reader.readMessageEnd(), texts.podName);
    else reader.skip(field & 7);
  }
  reader.expectAt(end);
  return stat === undefined ? undefined : { namespace, name, stat };
}

function readStat(reader: StatReader, end: number, knownPod: KnownText): Stat {
  let podName = "";
  let averageConcurrentRequests = 0;
  let averageProxiedConcurrentRequests = 0;
  let requestCount = 0;
  let proxiedRequestCount = 0;
  let processUptime = 0;
  let timestamp = 0;
  let held = 0;
  while (reader.position < end) {
    const field = reader.readUint32();
    if (field === tag.podName) podName = reader.readText(knownPod);
    else if (field === tag.averageConcurrentRequests) averageConcurrentRequests = reader.readDouble();
    else if (field === tag.averageProxiedConcurrentRequests)
      averageProxiedConcurrentRequests = reader.readDouble();
    else if (field === tag.requestCount) requestCount = reader.readDouble();
    else if (field === tag.proxiedRequestCount) proxiedRequestCount = reader.readDouble();
    else if (field === tag.processUptime) processUptime = reader.readDouble();
    else if (field === tag.timestamp) timestamp = reader.readInt64();
    else if (field === tag.held) held = reader.readDouble();
    else reader.skip(field & 7);
  }
  reader.expectAt(end);
  return {
    podName,
    averageConcurrentRequests,
    averageProxiedConcurrentRequests,
    requestCount,
    proxiedRequestCount,
    processUptime,
    timestamp,
    held,
  };
}
