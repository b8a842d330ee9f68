import { expect, test } from "vitest";
import { TrafficSplit } from "../../packages/activator/src/traffic-split.ts";
import { makeService } from "./support/feed-objects.ts";

function countTen(percents: Record<string, number>, seed: number): Record<string, number> {
  const split = new TrafficSplit(
    makeService({ traffic: Object.entries(percents).map(([revision, percent]) => ({ revision, percent })) }),
    seed,
  );
  const counts: Record<string, number> = {};
  for (let request = 0; request < 10_000; request++) {
    const key = split.choose(undefined) ?? "none";
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

test.each([
  [{ a: 50, b: 50 }],
  [{ a: 90, b: 10 }],
  [{ a: 99, b: 1 }],
  [{ a: 34, b: 33, c: 33 }],
  [{ a: 10, b: 20, c: 30, d: 40 }],
  [{ a: 100 }],
])("10,000 requests follow %o within 1 %% of all", (percents) => {
  for (const seed of [0, 0.123, 0.999]) {
    const counts = countTen(percents, seed);
    for (const [revision, percent] of Object.entries(percents)) {
      expect(Math.abs((counts[`default/${revision}`] ?? 0) - percent * 100)).toBeLessThanOrEqual(100);
    }
  }
});

test("the same seed gives the same choices", () => {
  expect(countTen({ a: 61, b: 39 }, 0.5)).toEqual(countTen({ a: 61, b: 39 }, 0.5));
});

test("a service without traffic leads nowhere", () => {
  expect(new TrafficSplit(makeService({ traffic: [] }), 0).choose(undefined)).toBeUndefined();
});

test("a revision that has a tag and a percentage gets both kinds of requests", () => {
  const split = new TrafficSplit(makeService({ traffic: [{ revision: "a", percent: 100, tag: "now" }] }), 0);
  expect(split.choose(undefined)).toBe("default/a");
  expect(split.choose("now")).toBe("default/a");
  expect(split.choose("unknown")).toBeUndefined();
});
