import { join } from "node:path";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { findFreePort } from "./harness/free-port.ts";
import { findProgram } from "./harness/find-program.ts";
import { median } from "./harness/median.ts";
import { readProcessUsage } from "./harness/process-usage.ts";
import { startProcess, type StartedProcess } from "./harness/started-process.ts";
import type { Cell } from "./harness/table.ts";
import { startSidecar } from "./subjects/sluice-proxies.ts";

const connections = 8;
const streams = 10;

interface Measurement {
  readonly streamsPerSecond: number;
  readonly cpuUs: number | undefined;
  readonly failures: number;
}

/** What one kind of front costs; `limit` undefined is the app itself. */
interface Row {
  readonly name: string;
  readonly limit: number | undefined;
}

const rows: readonly Row[] = [
  { name: "direct", limit: undefined },
  { name: "sidecar, no limit", limit: 0 },
  { name: "sidecar, limit 10", limit: 10 },
];

export const bench: Bench = {
  question: "How many h2c streams does the sidecar carry, and at what cost?",
  async run(options) {
    const h2load = findProgram("h2load");
    const title = `h2c, ${connections} connections × ${streams} streams, 29 bytes`;
    const columns = ["subject", "streams/s", "CPU µs/stream"];
    if (h2load === undefined)
      return [{ title, columns, rows: [], notes: ["not measured: h2load is not on the PATH"] }];
    const rounds = options.rounds ?? 3;
    const measured = new Map<string, Measurement[]>(rows.map(({ name }) => [name, []]));
    for (let round = 1; round <= rounds; round++) {
      for (const row of rows) {
        options.log(`${title}: round ${round}, ${row.name}`);
        measured.get(row.name)?.push(await measureRow(row, h2load, options));
      }
    }
    const failures = [...measured.values()].flat().reduce((sum, each) => sum + each.failures, 0);
    return [
      {
        title,
        columns,
        rows: [...measured].map(([name, each]) => toCells(name, each)),
        notes: [
          `load: h2load, 1 thread; app: node:http2; ${rounds} rounds of ${options.seconds} s; ${failures} failures`,
        ],
      },
    ];
  },
};

async function measureRow(row: Row, h2load: string, options: BenchOptions): Promise<Measurement> {
  const appPort = await findFreePort();
  const program = join(import.meta.dirname, "programs", "h2c-server.ts");
  const app = startProcess({ command: process.execPath, args: [program, String(appPort)] });
  const started: StartedProcess[] = [app];
  try {
    let port = appPort;
    let pid: number | undefined;
    if (row.limit !== undefined) {
      const sidecar = await startSidecar(row.limit, appPort);
      started.push(sidecar.child);
      port = sidecar.ports.main;
      pid = sidecar.child.pid;
    }
    await runH2load(h2load, port, 3);
    const before = pid === undefined ? undefined : readProcessUsage(pid).cpuMs;
    const result = await runH2load(h2load, port, options.seconds);
    const after = pid === undefined ? undefined : readProcessUsage(pid).cpuMs;
    const cpuUs =
      before === undefined || after === undefined ? undefined : ((after - before) * 1000) / result.succeeded;
    return { streamsPerSecond: result.perSecond, cpuUs, failures: result.failed };
  } finally {
    await Promise.all(started.map((child) => child.stop()));
  }
}

async function runH2load(
  h2load: string,
  port: number,
  seconds: number,
): Promise<{ perSecond: number; succeeded: number; failed: number }> {
  const args = [`-c${connections}`, `-m${streams}`, "-t1", `-D${seconds}`, `http://127.0.0.1:${port}/`];
  const child = startProcess({ command: h2load, args });
  await child.ended;
  const output = child.output();
  const rate = /finished in [\d.]+\w+, ([\d.]+) req\/s/.exec(output)?.[1];
  const counts = /(\d+) succeeded, (\d+) failed/.exec(output);
  if (rate === undefined || counts === null)
    throw new Error(`h2load said nothing that can be read:\n${output}`);
  return { perSecond: Number(rate), succeeded: Number(counts[1]), failed: Number(counts[2]) };
}

function toCells(name: string, rounds: readonly Measurement[]): readonly Cell[] {
  const cpu = rounds.map((round) => round.cpuUs).filter((each) => each !== undefined);
  return [
    name,
    median(rounds.map((round) => round.streamsPerSecond)),
    cpu.length === 0 ? undefined : median(cpu),
  ];
}
