import { expect, test } from "vitest";
import { toPhases, toServerTiming } from "../../packages/activator/src/cold-start.ts";

test.each([
  {
    name: "everything happened after the request came",
    milestones: { decidedAt: 110, scaledAt: 115, addressAt: 130, probedAt: 160 },
    phases: { decided: 10, scaled: 5, address: 15, probe: 30, "first-byte": 40 },
  },
  {
    name: "a request that came when the pod was on its way waited for the rest only",
    milestones: { decidedAt: 10, scaledAt: 20, addressAt: 90, probedAt: 160 },
    phases: { decided: 0, scaled: 0, address: 0, probe: 60, "first-byte": 40 },
  },
  {
    name: "what is not known gives its time to the next",
    milestones: { addressAt: 130, probedAt: 160 },
    phases: { address: 30, probe: 30, "first-byte": 40 },
  },
  {
    name: "clocks that disagree make no phase negative and none longer than the whole",
    milestones: { decidedAt: 500, scaledAt: 90, addressAt: 130, probedAt: 160 },
    phases: { decided: 100, scaled: 0, address: 0, probe: 0, "first-byte": 0 },
  },
])("$name", ({ milestones, phases }) => {
  expect(toPhases(100, milestones, 200)).toEqual(phases);
});

test("the header names the whole wait and each phase in milliseconds", () => {
  expect(toServerTiming(61.26, { probe: 60, "first-byte": 1.04 })).toBe(
    "queued;dur=61.3, probe;dur=60, first-byte;dur=1",
  );
});
