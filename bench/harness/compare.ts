import type { BenchOptions } from "./bench.ts";
import { findLoadGenerator, type LoadGenerator } from "./load-generator.ts";
import { median } from "./median.ts";
import { readProcessUsage } from "./process-usage.ts";
import type { RunningSubject, Subject } from "./subject.ts";
import type { Cell, Table } from "./table.ts";
import { startUpstream } from "./upstream.ts";

/** One kind of load that every subject gets. */
export interface Scenario {
  readonly title: string;
  readonly path: string;
  readonly connections: number;
  readonly bodyBytes?: number;
}

interface Measurement {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
  /** Of each process; undefined where the system does not tell. */
  readonly cpuUsPerRequest: Readonly<Record<string, number | undefined>>;
  readonly peakRssMib: number | undefined;
  readonly anonymousMib: number | undefined;
}

/** The row of one subject: medians over the rounds. */
interface Summary {
  readonly name: string;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
  readonly cpuUs: number | undefined;
  readonly parts: readonly string[];
  readonly peakRssMib: number | undefined;
  readonly anonymousMib: number | undefined;
}

const defaultRounds = 3;
/** Engines that compile as they run need some ten thousand requests, which take longer on a busy machine. */
const warmUp = { stepSeconds: 1, requests: 30_000, longestSeconds: 6 };

/**
 * Gives every subject the same load before the same upstream, one after the other in each round, each started anew:
 * what else the machine does hits all of them alike, and no one's memory is left over from another load.
 */
export async function compare(
  subjects: readonly Subject[],
  scenario: Scenario,
  options: BenchOptions,
): Promise<Table> {
  const rounds = options.rounds ?? defaultRounds;
  const generator = findLoadGenerator();
  const upstream = await startUpstream();
  try {
    const notes = [
      `load: ${generator.name}; upstream: ${upstream.name}; ${rounds} rounds of ${options.seconds} s`,
    ];
    const present = subjects.filter((subject) => {
      const missing = subject.findMissing();
      if (missing !== undefined) notes.push(`${subject.name}: not measured, ${missing}`);
      return missing === undefined;
    });
    const measurements = new Map<string, Measurement[]>(present.map(({ name }) => [name, []]));
    for (let round = 1; round <= rounds; round++) {
      for (const subject of present) {
        options.log(`${scenario.title}: round ${round}, ${subject.name}`);
        const measured = await measureOnce(subject, upstream.port, scenario, generator, options.seconds);
        measurements.get(subject.name)?.push(measured);
      }
    }
    const summaries = [...measurements].map(([name, rounds]) => summarise(name, rounds));
    return toTable(scenario.title, summaries, notes);
  } finally {
    await upstream.stop();
  }
}

async function measureOnce(
  subject: Subject,
  upstreamPort: number,
  scenario: Scenario,
  generator: LoadGenerator,
  seconds: number,
): Promise<Measurement> {
  const running = await subject.start(upstreamPort);
  try {
    const load = {
      url: `${running.url}${scenario.path}`,
      connections: scenario.connections,
      ...(running.host === undefined ? {} : { host: running.host }),
      ...(scenario.bodyBytes === undefined ? {} : { bodyBytes: scenario.bodyBytes }),
    };
    for (let requests = 0, seconds = 0; requests < warmUp.requests && seconds < warmUp.longestSeconds;) {
      requests += (await generator.run({ ...load, seconds: warmUp.stepSeconds })).requests;
      seconds += warmUp.stepSeconds;
    }
    const before = readUsages(running);
    const result = await generator.run({ ...load, seconds });
    const after = readUsages(running);
    const cpuUsPerRequest = Object.fromEntries(
      [...after].map(([name, usage]) => {
        const startMs = before.get(name)?.cpuMs;
        const isKnown = usage.cpuMs !== undefined && startMs !== undefined;
        return [name, isKnown ? ((usage.cpuMs - startMs) * 1000) / result.requests : undefined];
      }),
    );
    return {
      ...result,
      cpuUsPerRequest,
      peakRssMib: sumKnown([...after.values()].map((usage) => usage.peakRssMib)),
      anonymousMib: sumKnown([...after.values()].map((usage) => usage.anonymousMib)),
    };
  } finally {
    await running.stop();
  }
}

function readUsages(running: RunningSubject) {
  return new Map(
    Object.entries(running.processes).map(([name, child]) => [name, readProcessUsage(child.pid)] as const),
  );
}

/** Undefined for none, and when one of them is not known. */
function sumKnown(values: readonly (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const value of values) {
    if (value === undefined) return undefined;
    sum += value;
  }
  return values.length === 0 ? undefined : sum;
}

function medianKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : median(known);
}

function summarise(name: string, rounds: readonly Measurement[]): Summary {
  const partNames = Object.keys(rounds[0]?.cpuUsPerRequest ?? {});
  const parts = partNames.map(
    (part) => [part, medianKnown(rounds.map((round) => round.cpuUsPerRequest[part]))] as const,
  );
  return {
    name,
    requestsPerSecond: median(rounds.map((round) => round.requestsPerSecond)),
    p50Ms: median(rounds.map((round) => round.p50Ms)),
    p99Ms: median(rounds.map((round) => round.p99Ms)),
    failures: rounds.reduce((sum, round) => sum + round.failures, 0),
    cpuUs: sumKnown(parts.map(([, cpuUs]) => cpuUs)),
    parts:
      parts.length < 2 ? [] : parts.map(([part, cpuUs]) => `${part} ${cpuUs?.toFixed(1) ?? "not measured"}`),
    peakRssMib: medianKnown(rounds.map((round) => round.peakRssMib)),
    anonymousMib: medianKnown(rounds.map((round) => round.anonymousMib)),
  };
}

/** Subjects that others are compared with, where they ran: like with like stands with the same limit. */
const yardsticks = ["nginx", "Knative queue-proxy, no limit", "Knative queue-proxy, limit 10"];

function toTable(title: string, summaries: readonly Summary[], notes: readonly string[]): Table {
  const present = yardsticks.flatMap((name) => summaries.filter((summary) => summary.name === name));
  const columns = [
    "subject",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "CPU µs/request",
    "peak RSS MiB",
    "anonymous MiB",
  ];
  return {
    title,
    columns: [...columns, ...present.map(({ name }) => `CPU ÷ ${name}`)],
    rows: summaries.map((summary) => toRow(summary, present)),
    notes: [
      ...notes,
      ...summaries
        .filter(({ parts }) => parts.length > 0)
        .map(({ name, parts }) => `${name}: CPU ${parts.join(" + ")}`),
      ...summaries
        .filter(({ failures }) => failures > 0)
        .map(({ name, failures }) => `${name}: ${failures} requests FAILED, so its figures mean little`),
    ],
  };
}

function toRow(summary: Summary, present: readonly Summary[]): readonly Cell[] {
  const ratios = present.map(({ cpuUs }) =>
    summary.cpuUs === undefined || cpuUs === undefined ? undefined : summary.cpuUs / cpuUs,
  );
  return [
    summary.name,
    Math.round(summary.requestsPerSecond),
    summary.p50Ms,
    summary.p99Ms,
    summary.cpuUs,
    summary.peakRssMib,
    summary.anonymousMib,
    ...ratios,
  ];
}
