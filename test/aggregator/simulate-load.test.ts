import {
  explainDecisions,
  formatLoadTrace,
  parseLoadTrace,
  simulateLoad,
  type LoadSecond,
  type SimulationOptions,
} from "@sluice/aggregator";
import { parseAutoscalerConfig, resolveScalingSpec, type Decision } from "@sluice/core";
import { describe, expect, test } from "vitest";

function toSpec(annotations: Record<string, string>) {
  const prefixed = Object.entries(annotations).map(([key, value]) => [
    `autoscaling.knative.dev/${key}`,
    value,
  ]);
  const { config } = parseAutoscalerConfig({});
  const revision = {
    annotations: Object.fromEntries(prefixed) as Record<string, string>,
    containerConcurrency: 0,
  };
  return resolveScalingSpec(config, revision).spec;
}

function simulate(
  trace: LoadSecond[],
  annotations: Record<string, string>,
  more: Partial<SimulationOptions> = {},
) {
  return simulateLoad(trace, {
    spec: toSpec(annotations),
    containerConcurrency: 10,
    podStartSeconds: 2,
    initialPods: 0,
    ...more,
  });
}

function steady(seconds: number, concurrency: number): LoadSecond[] {
  return Array.from({ length: seconds }, () => ({ concurrency, requests: concurrency * 10 }));
}

describe("a simulated load", () => {
  const exact = { target: "10", "target-utilization-percentage": "100" };

  test("50 in flight at a target of 10 end at five pods", () => {
    const { seconds } = simulate(steady(180, 50), exact, { containerConcurrency: 0 });
    expect(seconds.at(-1)).toMatchObject({ readyPods: 5, desiredPods: 5, inFlight: 50, waiting: 0 });
  });

  test("starts cold once, waits for the first pod, and goes back to zero when load is over", () => {
    const result = simulate([...steady(30, 20), ...steady(200, 0)], exact);
    expect(result.coldStarts).toBe(1);
    expect(result.seconds[0]).toMatchObject({ readyPods: 0, waiting: 20 });
    expect(result.seconds.at(-1)).toMatchObject({ readyPods: 0, desiredPods: 0, inFlight: 0 });
    expect(result.meanWaitSeconds).toBeGreaterThan(0);
  });

  test("a higher target costs less and waits more", () => {
    const bursts = [...steady(60, 5), ...steady(30, 60), ...steady(60, 5)];
    const [low, high] = [simulate(bursts, { target: "2" }), simulate(bursts, { target: "10" })];
    expect(high.podSeconds).toBeLessThan(low.podSeconds);
    expect(high.mostPods).toBeLessThan(low.mostPods);
    expect(high.meanWaitSeconds).toBeGreaterThanOrEqual(low.meanWaitSeconds);
  });

  test("costs what pods exist, those that start included", () => {
    const result = simulate(
      steady(10, 1),
      { ...exact, "min-scale": "1", "max-scale": "1" },
      { initialPods: 1 },
    );
    expect(result).toMatchObject({ podSeconds: 10, meanPods: 1, mostPods: 1, coldStarts: 0 });
  });
});

describe("a load trace", () => {
  test("comes back from its text", () => {
    const trace = [
      { concurrency: 1.5, requests: 3 },
      { concurrency: 0, requests: 0 },
    ];
    expect(parseLoadTrace(formatLoadTrace(trace))).toEqual(trace);
  });

  test("holds its last value over seconds that are left out", () => {
    const trace = parseLoadTrace("second,concurrency,requests\n0,5,50\n3,1,10\n");
    expect(trace.map(({ concurrency }) => concurrency)).toEqual([5, 5, 5, 1]);
  });

  test.each([
    ["", "line 1 must be second,concurrency,requests"],
    ["second,concurrency,requests\n", "the trace has no seconds"],
    ["second,concurrency,requests\n0,x,1", "line 2 must be"],
    ["second,concurrency,requests\n0,1,1\n0,1,1", "line 3 must be a rising whole second"],
    ["second,concurrency,requests\n0,-1,1", "line 2 must be"],
    ["second,concurrency,requests\n0,1", "line 2 must be"],
    ["second,concurrency,requests\n99999999999,1,1", "line 2 must be"],
  ])("%j is refused with its line", (text, message) => {
    expect(() => parseLoadTrace(text)).toThrow(message);
  });
});

test("decisions are told as a story", () => {
  const base: Decision = {
    namespace: "default",
    name: "hello-00001",
    recommendedPods: 0,
    desiredPods: 0,
    readyPods: 0,
    mode: "proxy",
    numActivators: 2,
    activation: { state: "inactive", since: "2026-11-23T10:00:00.000Z" },
    excessBurstCapacity: -211,
    stableValue: 0,
    panicValue: 0,
    targetValue: 10,
    inPanicMode: false,
    inFlight: 0,
    held: 0,
    requestsPerSecond: 0,
    owner: "aggregator-0",
    decidedAt: "2026-11-23T10:00:00.000Z",
    reason: "new: starts at zero and waits for the first request",
  };
  const story = explainDecisions([
    base,
    { ...base, desiredPods: 1, decidedAt: "2026-11-23T10:00:05.123Z", reason: "stable: 1 in flight" },
    {
      ...base,
      desiredPods: 1,
      readyPods: 1,
      mode: "serve",
      excessBurstCapacity: 40,
      activation: { state: "active", since: "2026-11-23T10:00:06.000Z" },
      inFlight: 3,
      decidedAt: "2026-11-23T10:00:06.000Z",
      reason: "stable: 3 in flight",
    },
  ]);
  expect(story).toBe(`10:00:00.000  0 pods        new: starts at zero and waits for the first request
10:00:05.123  0 → 1 pod     stable: 1 in flight
10:00:06.000  stays at 1    stable: 3 in flight
                            callers may go straight to pods: capacity for 40 more than the burst is left

hello-00001: 1 pod wanted, 1 ready, active since 10:00:06; 3 in flight (0 held), target 10 each
`);
});
