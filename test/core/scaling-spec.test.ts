import {
  defaultAutoscalerConfig,
  describeProblem,
  parseAutoscalerConfig,
  resolveScalingSpec,
} from "@sluice/core";
import { describe, expect, test } from "vitest";

const prefix = "autoscaling.knative.dev/";

function annotate(entries: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => [`${prefix}${key}`, value]));
}

function resolve(annotations: Record<string, string>, containerConcurrency = 0, data = {}) {
  const { config } = parseAutoscalerConfig(data);
  return resolveScalingSpec(config, { annotations: annotate(annotations), containerConcurrency });
}

describe("config-autoscaler", () => {
  test("an empty map gives Knative's defaults", () => {
    const { config, problems } = parseAutoscalerConfig({ _example: "# text" });
    expect(problems).toEqual([]);
    expect(config).toEqual(defaultAutoscalerConfig);
    expect(config).toMatchObject({ targetFraction: 0.7, stableWindowMs: 60_000, targetBurstCapacity: 211 });
  });

  test.each([
    ["container-concurrency-target-percentage", "70", { targetFraction: 0.7 }],
    ["container-concurrency-target-percentage", "1", { targetFraction: 1 }],
    ["container-concurrency-target-percentage", "1.0", { targetFraction: 1 }],
    ["target-burst-capacity", "-1", { targetBurstCapacity: -1 }],
    ["panic-threshold-percentage", "50", { panicThresholdPercentage: 50 }],
    ["stable-window", "1h", { stableWindowMs: 3_600_000 }],
    ["scale-to-zero-grace-period", "300ms", { scaleToZeroGracePeriodMs: 300 }],
    ["enable-scale-to-zero", "F", { enableScaleToZero: false }],
  ])("%s=%s is taken", (key, value, expected) => {
    const { config, problems } = parseAutoscalerConfig({ [key]: value });
    expect(problems).toEqual([]);
    expect(config).toMatchObject(expected);
  });

  test.each([
    ["enable-scale-to-zero", "yes"],
    ["allow-zero-initial-scale", "2"],
    ["max-scale-up-rate", "1"],
    ["max-scale-down-rate", "0.9"],
    ["container-concurrency-target-percentage", "0"],
    ["container-concurrency-target-percentage", "101"],
    ["container-concurrency-target-default", "0.01"],
    ["requests-per-second-target-default", "0.001"],
    ["target-burst-capacity", "-2"],
    ["panic-window-percentage", "0"],
    ["panic-window-percentage", "101"],
    ["panic-threshold-percentage", "NaN"],
    ["activator-capacity", "0.5"],
    ["stable-window", "5s"],
    ["stable-window", "61m"],
    ["stable-window", "6500ms"],
    ["scale-down-delay", "-1s"],
    ["scale-down-delay", "1.5s"],
    ["scale-to-zero-grace-period", "0s"],
    ["scale-to-zero-pod-retention-period", "-1s"],
    ["initial-scale", "0"],
    ["initial-scale", "1.5"],
    ["min-scale", "-1"],
    ["max-scale", "2147483648"],
    ["max-scale-limit", "10"],
  ])("%s=%s is refused by name, rule and value", (key, value) => {
    const { problems } = parseAutoscalerConfig({ [key]: value });
    expect(problems).toHaveLength(1);
    const text = problems.map(describeProblem).join("\n");
    expect(text).toContain(key === "max-scale-limit" ? "max-scale must be" : `${key} must be`);
  });

  test("all problems are reported together", () => {
    const { problems } = parseAutoscalerConfig({ "stable-window": "1s", "min-scale": "x" });
    expect(problems.map(describeProblem)).toEqual([
      'stable-window must be a duration from 6s to 1h in whole seconds, not "1s"',
      'min-scale must be a whole number of at least 0, not "x"',
    ]);
  });
});

describe("scaling spec", () => {
  test.each([
    ["cc 12, utilisation 75", { "target-utilization-percentage": "75" }, 12, 9, 12],
    ["cc 1, target 10", { target: "10", "target-utilization-percentage": "100" }, 1, 1, 1],
    ["target 10 with cc 0", { target: "10" }, 0, 7, 10],
    ["nothing set", {}, 0, 70, 100],
    ["rps default", { metric: "rps" }, 0, 140, 200],
    ["rps, utilisation 75", { metric: "rps", "target-utilization-percentage": "75" }, 0, 150, 200],
    ["rps target is not limited by cc", { metric: "rps", target: "50" }, 5, 35, 50],
  ])("target of %s", (_name, annotations, containerConcurrency, targetValue, totalValue) => {
    const { spec, problems } = resolve(annotations, containerConcurrency);
    expect(problems).toEqual([]);
    expect(spec.targetValue).toBeCloseTo(targetValue, 9);
    expect(spec.totalValue).toBe(totalValue);
  });

  test("a target is never below 0.01", () => {
    const { config } = parseAutoscalerConfig({ "container-concurrency-target-percentage": "0.001" });
    const revision = { annotations: annotate({ target: "1" }), containerConcurrency: 0 };
    expect(resolveScalingSpec(config, revision).spec).toMatchObject({ targetValue: 0.01, totalValue: 1 });
  });

  test.each([
    ["target", "0"],
    ["class", "vpa.autoscaling.knative.dev"],
    ["metric", "cpu"],
    ["target-utilization-percentage", "0.5"],
    ["targetBurstCapacity", "-0.5"],
    ["window", "5s"],
    ["panicWindowPercentage", "0"],
    ["panic-threshold-percentage", "109"],
    ["min-scale", "-1"],
    ["maxScale", "many"],
    ["initial-scale", "0"],
    ["activation-scale", "1"],
    ["scale-down-delay", "2h"],
    ["scale-to-zero-pod-retention-period", "61m"],
    ["metric-aggregation-algorithm", "cubic"],
  ])("annotation %s=%s is refused by name and value, and the default stays", (key, value) => {
    const { spec, problems } = resolve({ [key]: value });
    expect(problems.map(({ name, value }) => ({ name, value }))).toEqual([
      { name: `${prefix}${key}`, value },
    ]);
    expect(spec).toEqual(resolve({}).spec);
  });

  test.each([
    [{ "min-scale": "5", "max-scale": "3" }, {}, "min-scale"],
    [{ "activation-scale": "2", "min-scale": "3" }, {}, "activation-scale"],
    [{ "activation-scale": "4", "max-scale": "3" }, {}, "activation-scale"],
    [{ "max-scale": "0" }, { "max-scale": "5", "max-scale-limit": "10" }, "max-scale"],
    [{ "max-scale": "11" }, { "max-scale": "5", "max-scale-limit": "10" }, "max-scale"],
  ])("contradiction %j under %j names %s", (annotations, data, name) => {
    const { problems } = resolve(annotations, 0, data);
    expect(problems.map((problem) => problem.name)).toEqual([`${prefix}${name}`]);
  });

  test("the first spelling of a key counts, aliases are read", () => {
    expect(resolve({ "min-scale": "2", minScale: "7" }).spec.minScale).toBe(2);
    expect(resolve({ minScale: "7" }).spec.minScale).toBe(7);
    expect(resolve({ metricAggregationAlgorithm: "weightedExponential" }).spec.algorithm).toBe(
      "weighted-exponential",
    );
  });

  test.each([
    [{}, 6000],
    [{ window: "6s" }, 1000],
    [{ window: "6s", "panic-window-percentage": "100" }, 6000],
    [{ window: "1h", "panic-window-percentage": "1" }, 36_000],
  ])("panic window of %j is %i ms", (annotations, panicWindowMs) => {
    expect(resolve(annotations as Record<string, string>).spec.panicWindowMs).toBe(panicWindowMs);
  });

  test("another class is left to its own autoscaler, whatever its metric", () => {
    const { spec, problems } = resolve({ class: "hpa.autoscaling.knative.dev", metric: "cpu" });
    expect(problems).toEqual([]);
    expect(spec.isKpa).toBe(false);
  });
});
