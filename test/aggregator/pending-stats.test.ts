import { expect, test } from "vitest";
import { PendingStats } from "../../packages/aggregator/src/pending-stats.ts";
import { createStat } from "../support/aggregator-harness.ts";

test("keeps stats of a revision for ten seconds", () => {
  const pending = new PendingStats();
  pending.add("default/a", createStat(), 0, 0);
  pending.add("default/a", createStat(), 5, 5000);
  expect(pending.take("default/a", 10_001).map(({ atMs }) => atMs)).toEqual([5000]);
  expect(pending.take("default/a", 10_001)).toEqual([]);
});

test("stays bounded under a flood of names and of stats, and keeps the newest", () => {
  const pending = new PendingStats();
  for (let index = 0; index < 30_000; index++) pending.add(`default/${index}`, createStat(), 0, index / 10);
  expect(pending.count).toBeLessThanOrEqual(10_000);
  expect(pending.take("default/29999", 3000)).toHaveLength(1);
  for (let index = 0; index < 1000; index++) pending.add("default/b", createStat(), 3, 3000 + index);
  expect(pending.take("default/b", 4000).at(-1)?.atMs).toBe(3999);
  expect(pending.count).toBeLessThanOrEqual(10_000);
});

test("forgets what nobody named", () => {
  const pending = new PendingStats();
  pending.add("default/a", createStat(), 0, 0);
  pending.expire(10_001);
  expect(pending.count).toBe(0);
});
