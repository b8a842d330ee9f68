import { expect, test } from "vitest";
import { EvaluationLoop } from "../../packages/aggregator/src/evaluation-loop.ts";
import { ManualClock } from "../support/manual-clock.ts";

function runLoop(count: number) {
  const clock = new ManualClock();
  const items = Array.from({ length: count }, (_, index) => index);
  const seen: number[][] = [];
  let current: number[] = [];
  const loop = new EvaluationLoop({ clock, list: () => items, evaluate: (item) => void current.push(item) });
  loop.start();
  return {
    clock,
    loop,
    seen,
    step: (byMs: number): void => {
      clock.advance(byMs);
      seen.push(current);
      current = [];
    },
  };
}

test("evaluates everything once every two seconds", () => {
  const { step, seen } = runLoop(3);
  step(1999);
  step(1);
  step(2000);
  expect(seen).toEqual([[], [0, 1, 2], [0, 1, 2]]);
});

test("spreads many over the period, each once", () => {
  const { step, seen } = runLoop(5000);
  for (let index = 0; index < 100; index++) step(20);
  expect(seen.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: 5000 }, (_, index) => index));
  expect(Math.max(...seen.map((step) => step.length))).toBeLessThanOrEqual(100);
});

test("stops", () => {
  const { loop, step, seen } = runLoop(3);
  loop.stop();
  step(10_000);
  expect(seen.flat()).toEqual([]);
});
