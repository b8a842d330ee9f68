import type { IncomingHttpHeaders } from "node:http2";
import { expect, onTestFinished, test } from "vitest";
import { startHttp2App, type OnStream } from "../support/http2-harness.ts";
import {
  fields,
  flag,
  frame,
  preface,
  RawHttp2,
  setting,
  text,
  type,
  uint32,
  whole,
  type Field,
} from "../support/raw-http2.ts";
import { startTestSidecar } from "../support/sidecar-harness.ts";

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function pick<T>(random: () => number, list: readonly T[]): T {
  const item = list[Math.floor(random() * list.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

/** What proxies add, take or join; everything else must arrive as it was said. */
const ownHeaders: ReadonlySet<string> = new Set([
  ":authority",
  "host",
  "x-forwarded-for",
  "cookie",
  "te",
  "expect",
  "trailer",
  "proxy-authenticate",
  "proxy-authorization",
]);

/** For these the end of a message is too late; trailers lose them. */
const notInTrailers: ReadonlySet<string> = new Set([
  ...ownHeaders,
  "content-length",
  "user-agent",
  "referer",
]);

/** A whole request as somebody read it. */
function describeRequest(headers: IncomingHttpHeaders, body: string, trailers: IncomingHttpHeaders): string {
  const said = Object.entries(headers)
    .filter(([name]) => !ownHeaders.has(name))
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  const saidLast = Object.entries(trailers).filter(([name]) => !notInTrailers.has(name));
  return JSON.stringify({ said, body, trailers: saidLast });
}

/** Answers every request that came whole, and writes it down. */
function createReader(seen: string[]): OnStream {
  return (stream, headers) => {
    let body = "";
    let trailers: IncomingHttpHeaders = {};
    stream.on("trailers", (received: IncomingHttpHeaders) => (trailers = received));
    stream.setEncoding("latin1").on("data", (chunk: string) => (body += chunk));
    stream.on("end", () => {
      if (stream.aborted || stream.rstCode !== 0) return;
      stream.respond({ ":status": 200 }, { endStream: true });
      // Node refuses a request that names no host; we send it to the app under its own address, as Go does.
      const isNameless = headers[":authority"]?.startsWith("127.0.0.1:") === true;
      if (!isNameless && headers[":path"] !== "/last") seen.push(describeRequest(headers, body, trailers));
    });
  };
}

const head: readonly Field[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/a?b=c"],
  [":authority", "a"],
];

function added(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), text(name), text(value)]);
}

/** Conversations of whole frames; streams 1 and 3. */
const seeds: readonly (readonly Buffer[])[] = [
  [frame(type.headers, whole, 1, fields([[":method", "GET"], ...head.slice(1), ["x-one", "1"]]))],
  [
    frame(type.headers, flag.endHeaders, 1, fields([...head, ["content-length", "5"]])),
    frame(type.data, flag.endStream, 1, "hello"),
  ],
  [
    frame(type.headers, flag.endHeaders, 1, fields(head)),
    frame(type.data, 0, 1, "hel"),
    frame(type.windowUpdate, 0, 1, uint32(100)),
    frame(type.data, flag.padded, 1, "\x03loxxx"),
    frame(type.headers, whole, 1, fields([["x-sum", "9"]])),
  ],
  [
    frame(type.headers, flag.endStream, 1, fields(head.slice(0, 2))),
    frame(type.continuation, 0, 1, fields(head.slice(2, 3))),
    frame(type.continuation, flag.endHeaders, 1, fields([...head.slice(3), ["x-two", "2"]])),
  ],
  // Kept in the table by the first, and said by number in the second (RFC 7541 §6.1).
  [
    frame(
      type.headers,
      whole,
      1,
      Buffer.concat([fields(head), added("x-kept", "yes"), added("x-more", "no")]),
    ),
    frame(
      type.headers,
      whole,
      3,
      Buffer.concat([Buffer.from([0x83, 0x86, 0x84]), fields(head.slice(3)), Buffer.from([0xbe, 0xbf])]),
    ),
  ],
  // With Huffman code (RFC 7541 appendix C.4).
  [
    frame(type.headers, whole, 1, Buffer.from("828684418cf1e3c2e5f23a6ba0ab90f4ff", "hex")),
    frame(type.headers, whole, 3, Buffer.from("828684be5886a8eb10649cbf", "hex")),
  ],
  [
    frame(
      type.headers,
      flag.endHeaders | flag.priority,
      1,
      Buffer.concat([Buffer.from("\0\0\0\0\x10", "latin1"), fields(head)]),
    ),
    frame(type.headers, whole, 3, fields(head)),
    frame(type.data, flag.endStream, 1, "both"),
  ],
];

/** What attacks are made of. */
const splices: readonly Buffer[] = [
  fields([["content-length", "3"]]),
  fields([["transfer-encoding", "chunked"]]),
  fields([["x-a", "b\r\nc: d"]]),
  fields([[":path", "/smuggled"]]),
  fields([["host", "b"]]),
  Buffer.from([0x82]),
  Buffer.from([0xbe]),
  Buffer.from([0x20]),
  Buffer.from("\r\n\0"),
  frame(type.rstStream, 0, 1, uint32(8)),
  frame(type.settings, 0, 0, setting(4, 1)),
  frame(type.data, flag.endStream, 1, "more"),
  frame(type.headers, whole, 3, fields([...head.slice(0, 2), [":path", "/smuggled"]])),
];

/** One change to whole frames, or to the bytes of one. */
function mutateOnce(random: () => number, frames: Buffer[]): void {
  const at = Math.floor(random() * frames.length);
  const chosen = frames[at];
  if (chosen === undefined || chosen.length < 9) return;
  const byte = Math.floor(random() * chosen.length);
  const changes: readonly (() => void)[] = [
    () => void frames.splice(at, 1),
    () => void frames.splice(at, 0, Buffer.from(chosen)),
    () => void frames.splice(at, 0, pick(random, splices)),
    () =>
      void (frames[at] = Buffer.concat([
        chosen.subarray(0, byte),
        pick(random, splices),
        chosen.subarray(byte),
      ])),
    () => void (frames[at] = Buffer.concat([chosen.subarray(0, byte), chosen.subarray(byte + 1)])),
    () => void (chosen[byte] = Math.floor(random() * 256)),
    () => void (chosen[byte] = (chosen[byte] ?? 0) ^ (1 << Math.floor(random() * 8))),
    // Flags and stream.
    () => void (chosen[4] = (chosen[4] ?? 0) ^ (1 << Math.floor(random() * 6))),
    () => void (chosen[8] = pick(random, [0, 1, 2, 3, 5])),
    // A field more, with the frame's length made right.
    () => {
      const payload = Buffer.concat([chosen.subarray(9), pick(random, splices)]);
      frames[at] = frame(chosen[3] ?? 0, chosen[4] ?? 0, chosen.readUInt32BE(5), payload);
    },
  ];
  pick(random, changes)();
}

const last: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/last"],
  [":authority", "a"],
];
/** A length that lies swallows no more than a frame may have; what follows then is no frame, or is this. */
const filler = Buffer.concat(Array<Buffer>(970).fill(frame(type.ping, 0, 0, "12345678")));

const patienceMs = 200;

/** Sends it all, and a good request behind it; resolves when that is answered or refused, or the connection is closed. */
async function send(port: number, frames: readonly Buffer[]): Promise<void> {
  const client = new RawHttp2(port).send(
    preface,
    frame(type.settings, 0, 0),
    ...frames,
    frame(type.headers, whole, 101, fields(last)),
    filler,
    frame(type.headers, whole, 103, fields(last)),
  );
  // Some swallow their own end, and wait for more of it: they are told that there is none.
  const timer = setTimeout(() => client.socket.end(), patienceMs);
  await client.waitFor(
    (each) =>
      each.type === type.goAway ||
      each.stream === 103 ||
      (each.stream === 101 && each.type !== type.windowUpdate),
  );
  clearTimeout(timer);
  client.socket.destroy();
  await client.waitForClose();
}

/** The frames that the bytes are, wherever they came from, without those of other streams. */
function cutOut(bytes: Buffer, stream: number): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    const owner = bytes.readUInt32BE(at + 5) & 0x7fffffff;
    if (owner === 0 || owner === stream) frames.push(bytes.subarray(at, at + 9 + bytes.readUIntBE(at, 3)));
  }
  return frames;
}

/** Of what the app saw, the first that the strict reader did not; it may see less, as we refuse more, but nothing else. */
function findDifference(
  strict: readonly string[],
  seed: readonly string[],
  seen: readonly string[],
): string | undefined {
  const left = [...strict, ...seed];
  return seen.find((each) => {
    const index = left.indexOf(each);
    if (index !== -1) left.splice(index, 1);
    return index === -1;
  });
}

test("600 mutated conversations: what the app saw is what Node's strict parser reads from the same bytes", async () => {
  const seed = Number(process.env["FUZZ_SEED"] ?? 20261126);
  const rounds = Number(process.env["FUZZ_ROUNDS"] ?? 600);
  const random = createRandom(seed);
  const strict: string[] = [];
  const seen: string[] = [];
  // A mistake of ours costs the connection and is said as a warning.
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  const reader = await startHttp2App(createReader(strict));
  const app = await startHttp2App(createReader(seen));
  const { ports } = await startTestSidecar(app.port);
  const harmless: string[][] = [];
  for (const frames of seeds) {
    strict.length = 0;
    await send(reader.port, frames);
    harmless.push([...strict]);
  }
  expect(harmless.map((requests) => requests.length)).toEqual([1, 1, 1, 1, 2, 2, 2]);
  let understood = 0;
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    const index = Math.floor(random() * seeds.length);
    const frames = (seeds[index] ?? []).map((each) => Buffer.from(each));
    for (let count = 1 + Math.floor(random() * 3); count > 0; count--) mutateOnce(random, frames);
    strict.length = 0;
    seen.length = 0;
    await send(reader.port, frames);
    await send(ports.main, frames);
    const bytes = frames.map((each) => each.toString("hex"));
    let difference = findDifference(strict, harmless[index] ?? [], seen);
    if (difference !== undefined) {
      // The reader ends the connection for much that we reset a stream for; it may have no quarrel with the others, one by one.
      for (const stream of [1, 3, 5]) await send(reader.port, cutOut(Buffer.concat(frames), stream));
      difference = findDifference(strict, harmless[index] ?? [], seen);
    }
    // The first difference ends the run, with all that is needed to repeat it.
    expect({ seed, round, bytes, strict, difference }).toEqual({
      seed,
      round,
      bytes,
      strict,
      difference: undefined,
    });
    if (seen.length > 0) understood++;
    else refused++;
  }
  expect(warnings).toEqual([]);
  expect(understood).toBeGreaterThan(rounds / 10);
  expect(refused).toBeGreaterThan(rounds / 10);
});
