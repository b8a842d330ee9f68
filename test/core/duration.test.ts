import { formatDuration, parseDurationMs } from "@sluice/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

describe("durations are Go's", () => {
  test.each([
    ["0", 0],
    ["0s", 0],
    ["300ms", 300],
    ["1.5s", 1500],
    [".5s", 500],
    ["1m30s", 90_000],
    ["1h", 3_600_000],
    ["-2s", -2000],
    ["+2s", 2000],
    ["1us", 0.001],
    ["250µs", 0.25],
  ])("%s is %d ms", (text, expected) => {
    expect(parseDurationMs(text)).toBeCloseTo(expected, 9);
  });

  test.each(["", "s", "10", "1.s2", "1 s", "1s ", "1d", "1s2", "abc", "--1s", "."])(
    "%j is refused",
    (text) => {
      expect(parseDurationMs(text)).toBeUndefined();
    },
  );

  test("what is printed reads back the same", () => {
    fc.assert(
      fc.property(fc.integer({ min: -86_400_000, max: 86_400_000 }), (durationMs) => {
        expect(parseDurationMs(formatDuration(durationMs))).toBeCloseTo(durationMs, 6);
      }),
    );
  });

  test.each([
    [90_000, "1m30s"],
    [1500, "1.5s"],
    [300, "300ms"],
    [3_600_000, "1h"],
    [0, "0s"],
  ])("%d ms prints as %s", (durationMs, expected) => {
    expect(formatDuration(durationMs)).toBe(expected);
  });
});
