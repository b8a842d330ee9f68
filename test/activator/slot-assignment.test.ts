import * as fc from "fast-check";
import { expect, test } from "vitest";
import { assignSlots } from "../../packages/activator/src/slot-assignment.ts";

/** Named so that their order by name is not that by age. */
function makePods(count: number): { name: string; startedAt: string }[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `pod-${999 - index}`,
    startedAt: new Date(index * 1000).toISOString(),
  }));
}

function sum(shares: Map<string, number>): number {
  return [...shares.values()].reduce((total, slots) => total + slots, 0);
}

test.each([
  { pods: 5, limit: 1, count: 2, parts: [3, 2] },
  { pods: 3, limit: 10, count: 2, parts: [15, 15] },
  { pods: 10, limit: 1, count: 3, parts: [4, 3, 3] },
  { pods: 1, limit: 10, count: 5, parts: [2, 2, 2, 2, 2] },
  { pods: 1, limit: 1, count: 3, parts: [1, 1, 1] },
  { pods: 0, limit: 10, count: 2, parts: [0, 0] },
])("$count activators share $pods pods of $limit as $parts", ({ pods, limit, count, parts }) => {
  const shares = parts.map((_, index) => sum(assignSlots(makePods(pods), limit, index, count)));
  expect(shares).toEqual(parts);
});

test.each([
  { limit: 7, index: 0, count: 1, slots: 7 },
  { limit: 7, index: -1, count: 3, slots: 7 },
  { limit: 0, index: 1, count: 3, slots: Number.POSITIVE_INFINITY },
])("every pod is usable whole: %o", ({ limit, index, count, slots }) => {
  expect([...assignSlots(makePods(3), limit, index, count).values()]).toEqual([slots, slots, slots]);
});

/** What each activator gets, and what is given away of each pod. */
function shareOut(pods: number, limit: number, count: number) {
  const total = new Map<string, number>();
  const parts = Array.from({ length: count }, (_, index) => {
    const shares = assignSlots(makePods(pods), limit, index, count);
    for (const [pod, slots] of shares) total.set(pod, (total.get(pod) ?? 0) + slots);
    return sum(shares);
  });
  return { parts, perPod: [...total.values()] };
}

const sizes = [
  fc.integer({ min: 1, max: 20 }),
  fc.integer({ min: 1, max: 12 }),
  fc.integer({ min: 2, max: 5 }),
] as const;

test("no slot has two owners, none is lost, and parts differ by one at most", () => {
  fc.assert(
    fc.property(...sizes, (pods, limit, count) => {
      fc.pre(pods * limit >= count);
      const { parts, perPod } = shareOut(pods, limit, count);
      expect(perPod).toEqual(Array(pods).fill(limit));
      expect(Math.max(...parts) - Math.min(...parts)).toBeLessThanOrEqual(1);
    }),
  );
});

test("with fewer slots than activators everybody has one", () => {
  fc.assert(
    fc.property(...sizes, (pods, limit, count) => {
      fc.pre(pods * limit < count);
      expect(shareOut(pods, limit, count).parts).toEqual(Array(count).fill(1));
    }),
  );
});

test("a pod that comes moves nobody else's slots", () => {
  fc.assert(
    fc.property(...sizes, (pods, limit, count) => {
      fc.pre(pods * limit >= count);
      for (let index = 0; index < count; index++) {
        const before = assignSlots(makePods(pods), limit, index, count);
        const after = assignSlots(makePods(pods + 1).toReversed(), limit, index, count);
        for (const { name } of makePods(pods)) expect(after.get(name)).toBe(before.get(name));
      }
    }),
  );
});

test("a pod that goes moves at most one slot of each other pod from or to an activator", () => {
  fc.assert(
    fc.property(...sizes, fc.nat(), (pods, limit, count, pick) => {
      fc.pre((pods - 1) * limit >= count);
      const left = makePods(pods).toSpliced(pick % pods, 1);
      for (let index = 0; index < count; index++) {
        const before = assignSlots(makePods(pods), limit, index, count);
        const after = assignSlots(left, limit, index, count);
        for (const { name } of left)
          expect(Math.abs((after.get(name) ?? 0) - (before.get(name) ?? 0))).toBeLessThanOrEqual(1);
      }
    }),
  );
});
