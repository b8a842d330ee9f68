import { decodeStat, decodeStatBatch, encodeStat, encodeStatBatch, type Stat } from "@sluice/core";
import { describe, expect, test } from "vitest";
import { readVectors } from "../support/vectors.ts";

type PartialStat = Partial<Stat>;
interface Vectors {
  stat: { stat: PartialStat; hex: string }[];
  wireStatMessages: { messages: { namespace?: string; name?: string; stat: PartialStat }[]; hex: string }[];
}

const vectors = readVectors("stat-protobuf.json") as Vectors;

function complete(stat: PartialStat): Stat {
  return {
    podName: "",
    averageConcurrentRequests: 0,
    averageProxiedConcurrentRequests: 0,
    requestCount: 0,
    proxiedRequestCount: 0,
    processUptime: 0,
    timestamp: 0,
    held: 0,
    ...stat,
  };
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

describe("stats have the bytes of Knative's stat.proto", () => {
  test.each(vectors.stat)("stat $hex", ({ stat, hex }) => {
    expect(toHex(encodeStat(complete(stat)))).toBe(hex);
    expect(decodeStat(Buffer.from(hex, "hex"))).toEqual(complete(stat));
  });

  test.each(vectors.wireStatMessages)("batch of $messages.length", ({ messages, hex }) => {
    const batch = messages.map((message) => ({
      namespace: message.namespace ?? "",
      name: message.name ?? "",
      stat: complete(message.stat),
    }));
    expect(toHex(encodeStatBatch(batch))).toBe(hex);
    expect(decodeStatBatch(Buffer.from(hex, "hex"))).toEqual(batch);
  });
});
