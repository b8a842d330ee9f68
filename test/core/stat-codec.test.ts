import { decodeStat, decodeStatBatch, encodeStatBatch, type RevisionStat } from "@sluice/core";
import { describe, expect, test } from "vitest";

function createMessage(name: string, timestamp: number): RevisionStat {
  return {
    namespace: "default",
    name,
    stat: {
      podName: "activator-0",
      averageConcurrentRequests: 12.5,
      averageProxiedConcurrentRequests: 0,
      requestCount: 40,
      proxiedRequestCount: 0,
      processUptime: 3,
      timestamp,
      held: 2,
    },
  };
}

const batch = [createMessage("hello-1", 1_763_890_000), createMessage("hello-2", 1_763_890_001)];
const bytes = encodeStatBatch(batch);

/** How many whole messages there are, or the class of the error. */
function tryDecode(cut: Uint8Array): unknown {
  try {
    return decodeStatBatch(cut).length;
  } catch (error) {
    return error instanceof Error ? error.constructor : error;
  }
}

describe("a batch of stats", () => {
  test("comes back as it was, texts that repeat and texts that do not", () => {
    const texts = ["a", "bb", "aa", "aa", "", "Grüße", "Grüßt"].map((name) => createMessage(name, 1));
    expect(decodeStatBatch(encodeStatBatch(texts))).toEqual(texts);
  });

  test("that is cut anywhere is an error, or whole messages only", () => {
    for (let length = 0; length < bytes.length; length++) {
      expect([RangeError, 0, 1]).toContain(tryDecode(bytes.subarray(0, length)));
    }
  });

  test.each([
    ["a field that reaches beyond its message", [0x0a, 0x03, 0x0a, 0x05, 0x41, 0x41, 0x41, 0x41, 0x41]],
    ["a length that is longer than 32 bits", [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ["a wire type that does not exist", [0x0f]],
    ["a number that never ends", Array.from({ length: 20 }, () => 0xff)],
  ])("with %s is refused", (_name, content) => {
    expect(() => decodeStatBatch(Uint8Array.from(content))).toThrow(RangeError);
  });

  test("passes over fields that it does not know, of every wire type", () => {
    const unknown = [0x78, 0x01, 0x7d, 1, 2, 3, 4, 0x72, 0x01, 0x41, 0x79, 1, 2, 3, 4, 5, 6, 7, 8];
    expect(decodeStatBatch(Uint8Array.from([...unknown, ...bytes]))).toEqual(batch);
  });
});

test("a negative time stamp stays negative", () => {
  const minusOne = [0x38, ...Array.from({ length: 9 }, () => 0xff), 0x01];
  expect(decodeStat(Uint8Array.from(minusOne)).timestamp).toBe(-1);
});
