import { expect, test } from "vitest";
import { pickPod } from "../../packages/activator/src/pick-pod.ts";
import { createPodTracker, type PodTracker } from "../../packages/activator/src/pod-tracker.ts";
import { makePod } from "./support/feed-objects.ts";

function tracker(name: string, inFlight: number, healthySinceMs = -10_000): PodTracker {
  return { ...createPodTracker(makePod({ name })), isHealthy: true, slots: 100, inFlight, healthySinceMs };
}

/** A small congruential generator: the same draws in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function share(open: PodTracker[], name: string, nowMs = 0): number {
  const random = seeded(7);
  let count = 0;
  for (let draw = 0; draw < 10_000; draw++) if (pickPod(open, nowMs, random)?.name === name) count++;
  return count / 10_000;
}

test("nothing open, nothing picked", () => {
  expect(pickPod([], 0, Math.random)).toBeUndefined();
});

test("of two pods the less loaded one", () => {
  expect(share([tracker("a", 3), tracker("b", 2)], "b")).toBe(1);
});

test("equally loaded pods get equal parts", () => {
  for (const count of [2, 3, 10]) {
    const open = Array.from({ length: count }, (_, index) => tracker(`p${index}`, 1));
    for (const pod of open) expect(share(open, pod.name)).toBeCloseTo(1 / count, 1);
  }
});

test("the most loaded of many is never picked", () => {
  const open = [tracker("busy", 9), tracker("a", 0), tracker("b", 0), tracker("c", 0)];
  expect(share(open, "busy")).toBe(0);
});

test("a new pod takes its share over two seconds, and everything when it alone has room", () => {
  const isNew = tracker("new", 0, 0);
  const old = tracker("old", 3);
  expect(share([isNew, old], "new", 0)).toBe(0);
  expect(share([isNew, old], "new", 1000)).toBe(1);
  expect(share([isNew, tracker("old", 1)], "new", 500)).toBe(0);
  expect(share([isNew, tracker("old", 1)], "new", 1500)).toBe(1);
  expect(share([isNew], "new", 0)).toBe(1);
});
