import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ChildPlatform } from "../packages/cli/src/child-platform.ts";
import { sendTimed } from "../packages/cli/src/timed-request.ts";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { findFreePort } from "./harness/free-port.ts";
import { median } from "./harness/median.ts";
import { startProcess } from "./harness/started-process.ts";
import type { Table } from "./harness/table.ts";
import { waitUntilServed } from "./harness/wait-until-served.ts";

interface ColdStart {
  readonly totalMs: number;
  readonly phases: ReadonlyMap<string, number>;
}

interface Series {
  readonly spares: number;
  readonly bootsMs: readonly number[];
  readonly coldStarts: readonly ColdStart[];
}

const root = join(import.meta.dirname, "..");
const app = join(root, "examples", "apps", "simple-app.mjs");
const defaultRuns = 20;
/** A new spare is started a second after the last was taken, and must have loaded its code. */
const betweenRunsMs = 2500;
const autoscaler = {
  "container-concurrency-target-percentage": "100",
  "allow-zero-initial-scale": "true",
  "initial-scale": "0",
  "stable-window": "6s",
  "scale-to-zero-grace-period": "1s",
};

/**
 * Each run takes a service of its own, so that every one of them starts at zero pods; boots and cold starts take turns,
 * so that both see the same machine.
 */
export const bench: Bench = {
  question: "How long does a first request take at zero pods, beside how long its app alone needs to boot?",
  async run(options) {
    const runs = options.rounds ?? defaultRuns;
    const series = [await measure(1, runs, options), await measure(0, runs, options)];
    return [toTotals(series), toPhases(series)];
  },
};

async function measure(spares: number, runs: number, options: BenchOptions): Promise<Series> {
  const folder = writeManifests(runs);
  const platform = await ChildPlatform.start({ root, environment: process.env, paths: [folder], spares });
  const bootsMs: number[] = [];
  const coldStarts: ColdStart[] = [];
  try {
    const { ports } = await platform.control.status();
    // One of each first, not counted: files come from the disk once.
    for (let run = -1; run < runs; run++) {
      options.log(`${spares} spares: run ${run + 1} of ${runs}`);
      await delay(betweenRunsMs);
      const bootMs = await measureBoot();
      await delay(betweenRunsMs / 5);
      const answer = await sendTimed(ports.public, `cold-${run + 1}.default.example.com`, "/", 60_000);
      if (answer.status !== 200) throw new Error(`run ${run} got ${answer.status}: ${answer.body}`);
      if (run < 0) continue;
      bootsMs.push(bootMs);
      coldStarts.push({ totalMs: answer.firstByteMs, phases: parseServerTiming(answer.serverTiming) });
    }
  } finally {
    await platform.stop();
    rmSync(folder, { recursive: true });
  }
  return { spares, bootsMs, coldStarts };
}

function writeManifests(runs: number): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const write = (name: string, content: unknown): void =>
    writeFileSync(join(folder, `${name}.yaml`), JSON.stringify(content));
  for (let run = 0; run <= runs; run++) {
    const template = { spec: { containers: [{ image: "app", command: ["node", app] }] } };
    write(`cold-${run}`, {
      apiVersion: "serving.knative.dev/v1",
      kind: "Service",
      metadata: { name: `cold-${run}` },
      spec: { template },
    });
  }
  write("config", {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "config-autoscaler" },
    data: autoscaler,
  });
  return folder;
}

/** From spawn to the first answer, asked again each millisecond: what the app costs without any platform. */
async function measureBoot(): Promise<number> {
  const port = await findFreePort();
  const startMs = performance.now();
  const child = startProcess({
    command: process.execPath,
    args: [app],
    environment: { PORT: String(port) },
    stopSignal: "SIGKILL",
  });
  try {
    await waitUntilServed(`http://127.0.0.1:${port}/`, child, { pauseMs: 1 });
    return performance.now() - startMs;
  } finally {
    await child.stop();
  }
}

/** W3C Server-Timing: `queued;dur=93.1, decided;dur=2`. */
function parseServerTiming(text: string): Map<string, number> {
  return new Map(
    text
      .split(",")
      .map((part) => /^\s*([\w-]+);dur=([\d.]+)/.exec(part))
      .flatMap((match) => (match === null ? [] : [[match[1] ?? "", Number(match[2])] as const])),
  );
}

function toTotals(series: readonly Series[]): Table {
  return {
    title: "From a request at zero pods to its first byte",
    columns: [
      "spare sidecars",
      "runs",
      "app's own boot ms",
      "cold start ms",
      "above boot ms",
      "fastest ms",
      "slowest ms",
    ],
    rows: series.map(({ spares, bootsMs, coldStarts }) => {
      const totals = coldStarts.map(({ totalMs }) => totalMs);
      const [bootMs, totalMs] = [median(bootsMs), median(totals)];
      return [
        spares,
        totals.length,
        bootMs,
        totalMs,
        totalMs - bootMs,
        Math.min(...totals),
        Math.max(...totals),
      ];
    }),
    notes: ["medians; the app's boot is from spawn to its first answer, without any platform"],
  };
}

function toPhases(series: readonly Series[]): Table {
  const names = [
    ...new Set(series.flatMap(({ coldStarts }) => coldStarts.flatMap(({ phases }) => [...phases.keys()]))),
  ];
  return {
    title: "Where the time of a cold start goes",
    columns: ["phase", ...series.map(({ spares }) => `ms, ${spares} spares`)],
    rows: names.map((name) => [
      name,
      ...series.map(({ coldStarts }) => median(coldStarts.flatMap(({ phases }) => phases.get(name) ?? []))),
    ]),
    notes: ["medians; queued is the whole time without a pod, the others are its parts and the answer"],
  };
}
