import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { findProgram } from "./harness/find-program.ts";
import { median } from "./harness/median.ts";
import { readProcessUsage } from "./harness/process-usage.ts";
import { startProcess } from "./harness/started-process.ts";
import type { RunningSubject, Subject } from "./harness/subject.ts";
import type { Cell, Table } from "./harness/table.ts";
import { temporaryFolder } from "./harness/temporary-folder.ts";
import { startHttp2Upstream } from "./harness/upstream.ts";
import { direct } from "./subjects/direct.ts";
import { h2cPeers } from "./subjects/h2c-proxies.ts";
import { h2cChain, sidecarLimited, sidecarUnlimited } from "./subjects/sluice-proxies.ts";

const connections = 8;
const streams = 10;
const warmUpSeconds = 3;

/** What every subject is asked; a call of gRPC is a POST with a small body. */
const scenarios = [
  { what: "GET, 29 bytes", path: "/", bodyBytes: 0 },
  { what: "POST of 128 bytes, 29 bytes back", path: "/", bodyBytes: 128 },
  { what: "GET, 64 KiB", path: "/64k", bodyBytes: 0 },
] as const;

type Scenario = (typeof scenarios)[number];

const subjects: readonly Subject[] = [direct, ...h2cPeers, sidecarUnlimited, sidecarLimited, h2cChain];

interface Measurement {
  readonly perSecond: number;
  readonly meanMs: number;
  readonly failures: number;
  readonly cpuUs: number | undefined;
  readonly peakRssMib: number | undefined;
}

export const bench: Bench = {
  question: "How many h2c streams does the sidecar carry, and at what cost, beside the peers?",
  async run(options) {
    const h2load = findProgram("h2load");
    if (h2load === undefined)
      return [
        { title: "h2c", columns: ["subject"], rows: [], notes: ["not measured: h2load is not on the PATH"] },
      ];
    const upstream = await startHttp2Upstream();
    try {
      const tables: Table[] = [];
      for (const scenario of scenarios)
        tables.push(await compareStreams(scenario, h2load, upstream, options));
      return tables;
    } finally {
      await upstream.stop();
    }
  },
};

async function compareStreams(
  scenario: Scenario,
  h2load: string,
  upstream: { readonly name: string; readonly port: number },
  options: BenchOptions,
): Promise<Table> {
  const title = `h2c, ${connections} connections × ${streams} streams: ${scenario.what}`;
  const rounds = options.rounds ?? 3;
  const notes = [
    `load: h2load, 1 thread; upstream: ${upstream.name}; ${rounds} rounds of ${options.seconds} s`,
  ];
  const measured = new Map<Subject, Measurement[]>();
  for (const subject of subjects) {
    const missing = subject.findMissing();
    if (missing === undefined) measured.set(subject, []);
    else notes.push(`${subject.name}: not measured, ${missing}`);
  }
  for (let round = 1; round <= rounds; round++) {
    for (const [subject, each] of measured) {
      options.log(`${title}: round ${round}, ${subject.name}`);
      each.push(await measure(subject, scenario, h2load, upstream.port, options.seconds));
    }
  }
  for (const [{ name }, each] of measured) {
    const failures = each.reduce((sum, { failures }) => sum + failures, 0);
    if (failures > 0) notes.push(`${name}: ${failures} streams FAILED, so its figures mean little`);
  }
  return {
    title,
    columns: ["subject", "streams/s", "mean ms", "CPU µs/stream", "peak RSS MiB"],
    rows: [...measured].map(([{ name }, each]) => toCells(name, each)),
    notes,
  };
}

async function measure(
  subject: Subject,
  scenario: Scenario,
  h2load: string,
  upstreamPort: number,
  seconds: number,
): Promise<Measurement> {
  const running = await subject.start(upstreamPort);
  try {
    await runH2load(h2load, running, scenario, warmUpSeconds);
    const before = readUsage(running);
    const result = await runH2load(h2load, running, scenario, seconds);
    const after = readUsage(running);
    const cpuMs =
      before?.cpuMs === undefined || after?.cpuMs === undefined ? undefined : after.cpuMs - before.cpuMs;
    return {
      ...result,
      cpuUs: cpuMs === undefined ? undefined : (cpuMs * 1000) / result.succeeded,
      peakRssMib: after?.peakRssMib,
    };
  } finally {
    await running.stop();
  }
}

function readUsage(running: RunningSubject) {
  const usages = Object.values(running.processes).map((child) => readProcessUsage(child.pid));
  if (usages.length === 0) return undefined;
  return {
    cpuMs: sumKnown(usages.map(({ cpuMs }) => cpuMs)),
    peakRssMib: sumKnown(usages.map((each) => each.peakRssMib)),
  };
}

async function runH2load(
  h2load: string,
  { url, host }: RunningSubject,
  { path, bodyBytes }: Scenario,
  seconds: number,
): Promise<{ perSecond: number; meanMs: number; succeeded: number; failures: number }> {
  const body = join(temporaryFolder(), "body");
  if (bodyBytes > 0) writeFileSync(body, "x".repeat(bodyBytes));
  const args = [`-c${connections}`, `-m${streams}`, "-t1", `-D${seconds}`];
  if (host !== undefined) args.push("-H", `:authority: ${host}`);
  const child = startProcess({
    command: h2load,
    args: [...args, ...(bodyBytes > 0 ? ["-d", body] : []), `${url}${path}`],
  });
  await child.ended;
  const output = child.output();
  const rate = /finished in [\d.]+\w+, ([\d.]+) req\/s/.exec(output)?.[1];
  const counts = /(\d+) succeeded, (\d+) failed/.exec(output);
  const mean = /time for request: +\S+ +\S+ +([\d.]+)(us|ms|s) /.exec(output);
  if (rate === undefined || counts === null)
    throw new Error(`h2load said nothing that can be read:\n${output}`);
  return {
    perSecond: Number(rate),
    meanMs: Number(mean?.[1] ?? NaN) * (msPer[mean?.[2] ?? "ms"] ?? 1),
    succeeded: Number(counts[1]),
    failures: Number(counts[2]),
  };
}

const msPer: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 };

function toCells(name: string, rounds: readonly Measurement[]): readonly Cell[] {
  return [
    name,
    median(rounds.map(({ perSecond }) => perSecond)),
    median(rounds.map(({ meanMs }) => meanMs)),
    medianKnown(rounds.map(({ cpuUs }) => cpuUs)),
    medianKnown(rounds.map(({ peakRssMib }) => peakRssMib)),
  ];
}

/** Undefined when one of them is not known. */
function sumKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length < values.length ? undefined : known.reduce((sum, value) => sum + value, 0);
}

function medianKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : median(known);
}
