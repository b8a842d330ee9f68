import {
  decodeStatBatch,
  defaultAutoscalerConfig,
  encodeStatBatch,
  resolveScalingSpec,
  systemClock,
  toKey,
  type Revision,
  type Stat,
} from "@sluice/core";
import { createScaleState, decideScale } from "@sluice/aggregator";
import { RevisionScaler } from "../packages/aggregator/src/revision-scaler.ts";
import { SteadyTime } from "../packages/aggregator/src/steady-time.ts";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { median } from "./harness/median.ts";
import type { Cell } from "./harness/table.ts";

const defaultRounds = 5;
const roundMs = 400;
const hearing = { isComplete: true, lastIncompleteMs: Number.NEGATIVE_INFINITY };
const startIso = "2026-11-23T10:00:00.000Z";

function createRevision(name: string): Revision {
  return {
    kind: "revision",
    namespace: "default",
    name,
    service: name,
    containerConcurrency: 0,
    protocol: "http1",
    timeouts: { request: 300, responseStart: 0, idle: 0 },
    annotations: { "autoscaling.knative.dev/target": "10" },
    readiness: { probe: "tcp", hasStartupProbe: false },
    reachable: true,
    createdAt: startIso,
    applied: { replicas: 5, mode: "proxy", modeSince: startIso, decidedAt: startIso },
  };
}

function createStat(podName: string, concurrency: number): Stat {
  return {
    podName,
    averageConcurrentRequests: concurrency,
    averageProxiedConcurrentRequests: 0,
    requestCount: concurrency * 10,
    proxiedRequestCount: 0,
    processUptime: 0,
    timestamp: Math.floor(Date.now() / 1000),
    held: 0,
  };
}

/** CPU microseconds of one call, the median over the rounds; the first round is for the compiler. */
function measure(rounds: number, run: (index: number) => void): number {
  const times: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const endMs = performance.now() + roundMs;
    const before = process.cpuUsage();
    let count = 0;
    while (performance.now() < endMs) for (let inner = 0; inner < 100; inner++) run(count++);
    const { user, system } = process.cpuUsage(before);
    if (round > 0) times.push((user + system) / count);
  }
  return median(times);
}

function createScalers(count: number) {
  const time = new SteadyTime(systemClock);
  const { spec } = resolveScalingSpec(defaultAutoscalerConfig, createRevision("hello"));
  const scalers = Array.from(
    { length: count },
    (_, index) =>
      new RevisionScaler(
        { revision: createRevision(`hello-${index}`), spec, readyPods: 5 },
        { time, owner: "aggregator-0" },
      ),
  );
  return { time, spec, scalers };
}

function run(options: BenchOptions): readonly (readonly Cell[])[] {
  const rounds = options.rounds ?? defaultRounds;
  const { time, spec, scalers } = createScalers(1000);
  const stats = Array.from({ length: 4 }, (_, index) => createStat(`activator-${index}`, 12.5));
  const [stat] = stats;
  if (stat === undefined) throw new Error("there are four activators");
  const second = Math.floor(time.nowMs() / 1000);
  const at = (index: number): RevisionScaler => scalers[index % scalers.length] ?? raise();
  const record = measure(rounds, (index) => void at(index).record(stat, second, time.nowMs()));
  const observation = { readyPods: 5, stableValue: 41.67, panicValue: 50, isReachable: true };
  let state = createScaleState(5, time.nowMs());
  const decide = measure(rounds, (index) => {
    state = decideScale(spec, state, observation, time.nowMs() + index).state;
  });
  const evaluate = measure(rounds, (index) => {
    const scaler = at(index);
    if (index % 7 === 0) scaler.record(stat, second, time.nowMs());
    scaler.evaluate(time.nowMs(), hearing);
  });
  const byKey = new Map(scalers.map((scaler) => [toKey(scaler.facts.revision), scaler]));
  const bytes = encodeStatBatch(
    Array.from({ length: 100 }, (_, index) => ({ namespace: "default", name: `hello-${index}`, stat })),
  );
  const batch = measure(rounds, () => {
    const instant = time.instant();
    for (const { namespace, name, stat } of decodeStatBatch(bytes)) {
      byKey.get(toKey({ namespace, name }))?.record(stat, instant.toSecond(stat.timestamp), instant.nowMs);
    }
  });
  return [
    ["one stat recorded", record, 0.5],
    ["one decision, the pure function", decide, undefined],
    ["one evaluation: windows, decision, states, sentence", evaluate, 5],
    ["a message of 100 stats, decoded and recorded", batch, 60],
  ];
}

function raise(): never {
  throw new Error("there are scalers");
}

export const bench: Bench = {
  question: "What do a stat, an evaluation and a batch cost the aggregator?",
  run: (options) =>
    Promise.resolve([
      {
        title: "Aggregator: cost of one step, µs of CPU",
        columns: ["step", "µs", "aim"],
        rows: run(options),
        notes: ["in one process, without sockets; 1,000 revisions in turn"],
      },
    ]),
};
