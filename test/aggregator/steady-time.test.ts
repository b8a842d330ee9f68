import { expect, test } from "vitest";
import { SteadyTime } from "../../packages/aggregator/src/steady-time.ts";
import { ManualClock } from "../support/manual-clock.ts";

const start = Date.UTC(2026, 10, 23, 10);
const startSecond = start / 1000;

test.each([
  ["the present second", 0, 0],
  ["the second before", -1, -1],
  ["two seconds late", -2, -2],
  ["two seconds early", 2, 2],
  ["three seconds late: the sender's clock is wrong", -3, 0],
  ["an hour in the future", 3600, 0],
])("a stamp of %s", (_name, offset, expected) => {
  const time = new SteadyTime(new ManualClock(start + 500));
  expect(time.toSecond(startSecond + offset) - startSecond).toBe(expected);
});

test.each([0, Number.NaN, -1, Number.POSITIVE_INFINITY])("a stamp of %d is none", (stamp) => {
  expect(new SteadyTime(new ManualClock(start)).toSecond(stamp)).toBe(startSecond);
});

test("stamps that follow one another stay apart after the wall clock was set by part of a second", () => {
  const clock = new ManualClock(start + 500);
  const time = new SteadyTime(clock);
  clock.jump(3_600_400);
  const seconds = [0, 1, 2].map(() => {
    const second = time.toSecond(Math.floor(clock.now() / 1000));
    clock.advance(1000);
    return second - startSecond;
  });
  expect(new Set(seconds).size).toBe(3);
  expect(seconds[2]).toBe((seconds[0] ?? 0) + 2);
  expect(Math.abs(seconds[0] ?? 0)).toBeLessThanOrEqual(1);
});

test("an event by the wall clock keeps its age when the clock jumps afterwards", () => {
  const clock = new ManualClock(start);
  const time = new SteadyTime(clock);
  const atMs = time.fromWall(start - 5000);
  clock.jump(-3_600_000);
  clock.advance(1000);
  expect(time.nowMs() - atMs).toBe(6000);
});

test("an event that a clock in the future reports happened just now", () => {
  const time = new SteadyTime(new ManualClock(start));
  expect(time.fromWall(start + 60_000)).toBe(time.nowMs());
});
