import { defaultAutoscalerConfig, resolveScalingSpec, type ScalingSpec } from "@sluice/core";
import { describe, expect, test } from "vitest";
import {
  createScaleState,
  decideScale,
  type ScaleObservation,
} from "../../packages/aggregator/src/decide-scale.ts";

const now = Date.UTC(2026, 10, 23, 10);
const defaults = resolveScalingSpec(defaultAutoscalerConfig, {
  annotations: {},
  containerConcurrency: 0,
}).spec;

function spec(overrides: Partial<ScalingSpec>): ScalingSpec {
  const targetValue = overrides.targetValue ?? 10;
  return {
    ...defaults,
    maxScaleUpRate: 10,
    maxScaleDownRate: 10,
    targetValue,
    totalValue: targetValue / 0.75,
    ...overrides,
  };
}

function observe(
  stableValue: number,
  panicValue: number,
  readyPods: number,
  isReachable = true,
): ScaleObservation {
  return { stableValue, panicValue, readyPods, isReachable };
}

const calm = createScaleState(0, now);

describe("recommended pods", () => {
  test.each<[string, Partial<ScalingSpec>, ScaleObservation, number]>([
    ["stable load", {}, observe(50, 50, 1), 5],
    ["more in the panic window", {}, observe(50, 100, 1), 10],
    ["scale-up rate", { targetValue: 1, maxScaleUpRate: 1.1 }, observe(3, 3.1, 2), 3],
    ["scale-down rate", { maxScaleDownRate: 1.1 }, observe(1, 1, 100), 90],
    ["unreachable: no scale-down rate", { maxScaleDownRate: 1.1 }, observe(1, 1, 100, false), 1],
    ["idle with one pod", { maxScaleDownRate: 2 }, observe(0, 0, 1), 0],
    ["activation scale", { activationScale: 5 }, observe(1, 1, 0), 5],
    ["activation scale without load", { activationScale: 5 }, observe(0, 0, 0), 0],
    ["no pods counts as one", {}, observe(1000, 1000, 0), 10],
  ])("%s", (_name, overrides, observation, expected) => {
    expect(decideScale(spec(overrides), calm, observation, now).recommendedPods).toBe(expected);
  });

  test("burst capacity of -1 and 0 are answered as they are", () => {
    const observation = observe(50, 50, 3);
    expect(decideScale(spec({ targetBurstCapacity: -1 }), calm, observation, now).excessBurstCapacity).toBe(
      -1,
    );
    expect(decideScale(spec({ targetBurstCapacity: 0 }), calm, observation, now).excessBurstCapacity).toBe(0);
  });

  test("burst capacity counts real pods, whole capacity and the panic window", () => {
    const answer = decideScale(
      spec({ totalValue: 10, targetBurstCapacity: 211 }),
      calm,
      observe(0, 50, 1),
      now,
    );
    expect(answer.excessBurstCapacity).toBe(10 - 211 - 50);
  });
});

describe("panic", () => {
  test("never shrinks, and ends a stable window after the last load over the threshold", () => {
    const panicking = decideScale(spec({}), calm, observe(50, 100, 1), now);
    expect(panicking).toMatchObject({ recommendedPods: 10, isPanicking: true });
    const later = decideScale(spec({}), panicking.state, observe(20, 20, 10), now + 60_000);
    expect(later).toMatchObject({ recommendedPods: 10, isPanicking: true, limits: ["panic-never-shrinks"] });
    const over = decideScale(spec({}), later.state, observe(20, 20, 10), now + 60_001);
    expect(over).toMatchObject({ recommendedPods: 2, isPanicking: false });
  });

  test("is extended while load stays over the threshold", () => {
    const first = decideScale(spec({}), calm, observe(50, 100, 1), now);
    const second = decideScale(spec({}), first.state, observe(50, 100, 1), now + 30_000);
    const third = decideScale(spec({}), second.state, observe(20, 20, 10), now + 80_000);
    expect(third.isPanicking).toBe(true);
  });

  test("is how a revision with pods starts, so that a restart takes none away", () => {
    const state = createScaleState(5, now);
    expect(decideScale(spec({}), state, observe(0, 0, 5), now + 2000)).toMatchObject({
      recommendedPods: 5,
      isPanicking: true,
    });
    expect(createScaleState(1, now).panicSinceMs).toBeUndefined();
  });
});

test("the scale-down delay holds the highest recommendation of its time, and only that long", () => {
  const delayed = spec({ scaleDownDelayMs: 300_000 });
  const up = decideScale(delayed, calm, observe(40, 40, 4), now + 2000);
  const held = decideScale(delayed, up.state, observe(0, 0, 4), now + 300_000);
  const gone = decideScale(delayed, held.state, observe(0, 0, 4), now + 302_000);
  expect(up.recommendedPods).toBe(4);
  expect(held).toMatchObject({ recommendedPods: 4, limits: expect.arrayContaining(["scale-down-delay"]) });
  expect(gone.recommendedPods).toBe(0);
});

test("an unreachable revision does not wait for the scale-down delay", () => {
  const delayed = spec({ scaleDownDelayMs: 300_000 });
  const up = decideScale(delayed, calm, observe(40, 40, 4), now);
  expect(decideScale(delayed, up.state, observe(0, 0, 4, false), now + 2000).recommendedPods).toBe(0);
});
