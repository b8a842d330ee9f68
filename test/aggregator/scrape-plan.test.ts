import { expect, test } from "vitest";
import { decideSampleSize, orderPods } from "../../packages/aggregator/src/scrape-plan.ts";
import { createPod } from "../support/aggregator-harness.ts";

test.each([
  [0, 0],
  [1, 1],
  [2, 2],
  [3, 3],
  [5, 4],
  [10, 7],
  [100, 14],
  [1000, 16],
])("of %i pods %i are asked", (pods, sample) => {
  expect(decideSampleSize(pods)).toBe(sample);
});

const start = Date.UTC(2026, 10, 23, 10);

function pods(prefix: string, count: number, startedMs: number) {
  const startedAt = new Date(startedMs).toISOString();
  return Array.from({ length: count }, (_, index) => createPod(`${prefix}-${index}`, { startedAt }));
}

test("old pods come before young ones, and a surplus of old ones is shuffled", () => {
  const all = [...pods("young", 3, start), ...pods("old", 5, start - 120_000)];
  const order = orderPods(all, 4, { oldBeforeMs: start - 60_000, random: () => 0 }).map(({ name }) => name);
  expect(order.slice(0, 5).toSorted()).toEqual(["old-0", "old-1", "old-2", "old-3", "old-4"]);
  expect(order.slice(0, 5)).not.toEqual(["old-0", "old-1", "old-2", "old-3", "old-4"]);
  expect(order.slice(5)).toEqual(["young-0", "young-1", "young-2"]);
});

test("too few old pods all come first, and the young ones that fill up are shuffled", () => {
  const all = [...pods("young", 3, start), ...pods("old", 1, start - 120_000)];
  const order = orderPods(all, 3, { oldBeforeMs: start - 60_000, random: () => 0 }).map(({ name }) => name);
  expect(order[0]).toBe("old-0");
  expect(order.slice(1)).not.toEqual(["young-0", "young-1", "young-2"]);
  expect(order.slice(1).toSorted()).toEqual(["young-0", "young-1", "young-2"]);
});
