import * as fc from "fast-check";
import { expect, test } from "vitest";
import { assignSlots } from "../../packages/activator/src/slot-assignment.ts";

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `pod-${String(index).padStart(3, "0")}`);
}

function sum(shares: Map<string, number>): number {
  return [...shares.values()].reduce((total, slots) => total + slots, 0);
}

test.each([
  { pods: 5, limit: 1, count: 2, parts: [2, 3] },
  { pods: 3, limit: 10, count: 2, parts: [15, 15] },
  { pods: 10, limit: 1, count: 3, parts: [3, 3, 4] },
  { pods: 1, limit: 10, count: 5, parts: [2, 2, 2, 2, 2] },
  { pods: 1, limit: 1, count: 3, parts: [1, 1, 1] },
  { pods: 0, limit: 10, count: 2, parts: [0, 0] },
])("$count activators share $pods pods of $limit as $parts", ({ pods, limit, count, parts }) => {
  const shares = parts.map((_, index) => sum(assignSlots(names(pods), limit, index, count)));
  expect(shares).toEqual(parts);
});

test.each([
  { limit: 7, index: 0, count: 1, slots: 7 },
  { limit: 7, index: -1, count: 3, slots: 7 },
  { limit: 0, index: 1, count: 3, slots: Number.POSITIVE_INFINITY },
])("every pod is usable whole: %o", ({ limit, index, count, slots }) => {
  expect([...assignSlots(names(3), limit, index, count).values()]).toEqual([slots, slots, slots]);
});

/** What each activator gets, and what is given away of each pod. */
function shareOut(pods: number, limit: number, count: number) {
  const total = new Map<string, number>();
  const parts = Array.from({ length: count }, (_, index) => {
    const shares = assignSlots(names(pods), limit, index, count);
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
