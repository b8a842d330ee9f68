import { expect, test } from "vitest";
import {
  decideProbeDelayMs,
  defaultReadinessRules,
  ReadinessWatch,
} from "../../packages/local/src/readiness-watch.ts";
import { ManualClock } from "../support/manual-clock.ts";

const target = { address: "127.0.0.1", port: 8012 };

/** A watch over a pod whose answers the test gives, one for each look. */
function watch(answers: readonly boolean[]): {
  clock: ManualClock;
  watch: ReadinessWatch;
  changes: boolean[];
  looks: () => number;
} {
  const clock = new ManualClock();
  const changes: boolean[] = [];
  let looks = 0;
  const probe = async (): Promise<boolean> => await Promise.resolve(answers[looks++] ?? false);
  return {
    clock,
    changes,
    looks: () => looks,
    watch: new ReadinessWatch(clock, probe, target, (isReady) => changes.push(isReady)),
  };
}

/** Lets answers that are due arrive. */
async function settle(): Promise<void> {
  await new Promise<void>((resolve) => void setImmediate(resolve));
}

test.each([
  { name: "a starting pod at first", isReady: false, sinceStartMs: 0, expected: 10 },
  { name: "a starting pod within ten seconds", isReady: false, sinceStartMs: 9999, expected: 10 },
  { name: "a pod that takes long", isReady: false, sinceStartMs: 10_000, expected: 1000 },
  { name: "a ready pod", isReady: true, sinceStartMs: 0, expected: 10_000 },
])("how often $name is asked", ({ isReady, sinceStartMs, expected }) => {
  expect(decideProbeDelayMs(isReady, sinceStartMs, defaultReadinessRules)).toBe(expected);
});

test("a pod is ready with its first success", async () => {
  const { clock, watch: readiness, changes } = watch([false, false, true]);
  readiness.restart();
  await settle();
  clock.advance(10);
  await settle();
  expect(changes).toEqual([]);
  clock.advance(10);
  await settle();
  expect(changes).toEqual([true]);
});

test("a ready pod needs three misses in a row to be not ready", async () => {
  const { clock, watch: readiness, changes } = watch([true, false, false, true, false, false, false]);
  readiness.restart();
  for (let look = 0; look < 7; look++) {
    await settle();
    clock.advance(10_000);
  }
  await settle();
  expect(changes).toEqual([true, false]);
});

test("a restart makes a ready pod not ready at once and asks again at once", async () => {
  const { watch: readiness, changes, looks } = watch([true, false]);
  readiness.restart();
  await settle();
  readiness.restart();
  expect(changes).toEqual([true, false]);
  expect(looks()).toBe(2);
});

test("nobody asks after a stop", async () => {
  const { clock, watch: readiness, looks } = watch([false, false]);
  readiness.restart();
  readiness.stop();
  await settle();
  clock.advance(60_000);
  expect(looks()).toBe(1);
});
