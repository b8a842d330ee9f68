import { expect, test } from "vitest";
import { pickVictims, type PodStanding } from "../../packages/local/src/scale-plan.ts";

function toPod(name: string, standing: Partial<PodStanding>): PodStanding {
  return { name, isReady: true, startedMs: 0, inFlight: 0, ...standing };
}

test.each([
  {
    name: "one that is not ready, even if it is the oldest",
    pods: [toPod("ready", { startedMs: 9 }), toPod("starting", { isReady: false, startedMs: 1 })],
    expected: ["starting"],
  },
  {
    name: "the least busy of ready ones",
    pods: [toPod("busy", { inFlight: 3, startedMs: 9 }), toPod("idle", { inFlight: 0.5 })],
    expected: ["idle"],
  },
  {
    name: "the youngest of equals",
    pods: [toPod("old", { startedMs: 1 }), toPod("young", { startedMs: 2 })],
    expected: ["young"],
  },
  {
    name: "as many as asked for, cheapest first",
    pods: [toPod("busy", { inFlight: 5 }), toPod("idle", {}), toPod("starting", { isReady: false })],
    count: 2,
    expected: ["starting", "idle"],
  },
])("who goes first: $name", ({ pods, count = 1, expected }) => {
  expect(pickVictims(pods, count).map(({ name }) => name)).toEqual(expected);
});
