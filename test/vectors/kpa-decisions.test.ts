import { createScaleState, decideScale, LoadWindow } from "@sluice/aggregator";
import { defaultAutoscalerConfig, resolveScalingSpec, type ScalingSpec } from "@sluice/core";
import { describe, expect, test } from "vitest";
import { readVectors } from "../support/vectors.ts";

interface Config {
  metric: "concurrency" | "rps";
  algorithm: "linear" | "weighted-exponential";
  stableWindowSeconds: number;
  panicWindowSeconds: number;
  targetValue: number;
  totalValue: number;
  targetBurstCapacity: number;
  maxScaleUpRate: number;
  maxScaleDownRate: number;
  panicThreshold: number;
  scaleDownDelaySeconds: number;
  activationScale: number;
  reachable: boolean;
  initialReadyPods: number;
}

interface Step {
  atSeconds: number;
  record?: {
    concurrency: number;
    proxiedConcurrency: number;
    requestCount: number;
    proxiedRequestCount: number;
  };
  readyPods?: number;
  expect?: {
    valid: boolean;
    desiredPods: number;
    excessBurstCapacity: number;
    stableValue: number;
    panicValue: number;
    inPanicMode: boolean;
  };
}

interface Trace {
  name: string;
  config: Config;
  startUnixSeconds: number;
  steps: Step[];
}

const traces = readVectors("kpa-decisions.json") as Trace[];
const defaults = resolveScalingSpec(defaultAutoscalerConfig, { annotations: {}, containerConcurrency: 0 }).spec;

function toSpec(config: Config): ScalingSpec {
  const { stableWindowSeconds, panicWindowSeconds, scaleDownDelaySeconds, ...same } = config;
  return {
    ...defaults,
    ...same,
    stableWindowMs: stableWindowSeconds * 1000,
    panicWindowMs: panicWindowSeconds * 1000,
    scaleDownDelayMs: scaleDownDelaySeconds * 1000,
  };
}

/** What the aggregator does between a stat and a decision, without its sockets. */
function replay(trace: Trace): { step: Step; answer: NonNullable<Step["expect"]> }[] {
  const spec = toSpec(trace.config);
  const stable = new LoadWindow(trace.config.stableWindowSeconds);
  const panic = new LoadWindow(trace.config.panicWindowSeconds);
  let readyPods = trace.config.initialReadyPods;
  let state = createScaleState(readyPods, trace.startUnixSeconds * 1000);
  const answers: { step: Step; answer: NonNullable<Step["expect"]> }[] = [];
  for (const step of trace.steps) {
    const nowMs = (trace.startUnixSeconds + step.atSeconds) * 1000;
    const second = Math.floor(nowMs / 1000);
    readyPods = step.readyPods ?? readyPods;
    if (step.record !== undefined) {
      const concurrency = step.record.concurrency - step.record.proxiedConcurrency;
      const requests = step.record.requestCount - step.record.proxiedRequestCount;
      stable.record(second, concurrency, requests);
      panic.record(second, concurrency, requests);
    }
    if (step.expect === undefined) continue;
    const valid = !stable.isEmpty(second);
    const stableValue = stable.average(second, spec.metric, spec.algorithm);
    const panicValue = panic.average(second, spec.metric, spec.algorithm);
    const isReachable = trace.config.reachable;
    const answer = decideScale(spec, state, { readyPods, stableValue, panicValue, isReachable }, nowMs);
    if (valid) state = answer.state;
    answers.push({
      step,
      answer: {
        valid,
        desiredPods: answer.recommendedPods,
        excessBurstCapacity: answer.excessBurstCapacity,
        stableValue,
        panicValue,
        inPanicMode: answer.isPanicking,
      },
    });
  }
  return answers;
}

/** The recorded values have six decimals. */
function isWithinTolerance(expected = Number.NaN): (actual: number) => boolean {
  return (actual) => Math.abs(actual - expected) <= 1e-6;
}

describe("decisions are Knative's", () => {
  test("there is something to replay", () => {
    expect(traces.length).toBeGreaterThan(0);
  });

  test.each(traces)("$name", (trace) => {
    const answers = replay(trace);
    expect(answers.length).toBeGreaterThan(0);
    for (const { step, answer } of answers) {
      const at = step.atSeconds;
      expect({ at, valid: answer.valid }).toEqual({ at, valid: step.expect?.valid });
      if (!answer.valid) continue;
      expect({ at, ...answer }).toEqual({
        at,
        ...step.expect,
        stableValue: expect.toSatisfy(isWithinTolerance(step.expect?.stableValue)),
        panicValue: expect.toSatisfy(isWithinTolerance(step.expect?.panicValue)),
      });
    }
  });
});
