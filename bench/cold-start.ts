/**
 * How long a first request takes when nothing runs, beside how long its app alone needs to boot. Each run takes a service
 * of its own, so that every one of them starts at zero pods; boots and cold starts take turns, so that both see the
 * same machine. `--runs 20` by default; `--json` for programs.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ChildPlatform } from "../packages/cli/src/child-platform.ts";
import { formatTable } from "../packages/cli/src/table.ts";
import { sendTimed } from "../packages/cli/src/timed-request.ts";

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
/** A new spare is started a second after the last was taken, and must have loaded its code. */
const betweenRunsMs = 2500;
const autoscaler = {
  "container-concurrency-target-percentage": "100",
  "allow-zero-initial-scale": "true",
  "initial-scale": "0",
  "stable-window": "6s",
  "scale-to-zero-grace-period": "1s",
};

const { values } = parseArgs({
  options: { runs: { type: "string", default: "20" }, json: { type: "boolean", default: false } },
});
const runs = Number(values.runs);
const series = [await measure(1), await measure(0)];
if (values.json) process.stdout.write(`${JSON.stringify(series.map(toSummary), undefined, 2)}\n`);
else print();

async function measure(spares: number): Promise<Series> {
  const folder = writeManifests();
  const platform = await ChildPlatform.start({ root, environment: process.env, paths: [folder], spares });
  const bootsMs: number[] = [];
  const coldStarts: ColdStart[] = [];
  try {
    const { ports } = await platform.control.status();
    // One of each first, not counted: files come from the disk once.
    for (let run = -1; run < runs; run++) {
      await wait(betweenRunsMs);
      const bootMs = await measureBoot();
      await wait(betweenRunsMs / 5);
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

function writeManifests(): string {
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
  const child = spawn(process.execPath, [app], {
    env: { PATH: process.env["PATH"], PORT: String(port) },
    stdio: "ignore",
  });
  try {
    while (!(await isAnswered(port))) await wait(1);
    return performance.now() - startMs;
  } finally {
    child.kill("SIGKILL");
  }
}

async function isAnswered(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const call = get({ host: "127.0.0.1", port, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.once("error", () => resolve(false));
  });
}

async function findFreePort(): Promise<number> {
  return await new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
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

function toSummary({ spares, bootsMs, coldStarts }: Series) {
  const totals = coldStarts.map(({ totalMs }) => totalMs);
  const names = [...new Set(coldStarts.flatMap(({ phases }) => [...phases.keys()]))];
  return {
    spares,
    runs,
    bootMs: median(bootsMs),
    coldStartMs: median(totals),
    aboveBootMs: median(totals) - median(bootsMs),
    fastestMs: Math.min(...totals),
    slowestMs: Math.max(...totals),
    phases: names.map((name) => ({
      name,
      medianMs: median(coldStarts.flatMap(({ phases }) => phases.get(name) ?? [])),
    })),
  };
}

function print(): void {
  const summaries = series.map(toSummary);
  const cells = (ms: number): string => ms.toFixed(1);
  const [processor] = cpus();
  process.stdout.write(
    [
      `${cpus().length} x ${processor?.model ?? "unknown processor"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}; ${runs} runs each, milliseconds`,
      "",
      formatTable(
        ["SPARES", "APP'S OWN BOOT", "COLD START", "ABOVE BOOT", "FASTEST", "SLOWEST"],
        summaries.map((summary) => [
          String(summary.spares),
          cells(summary.bootMs),
          cells(summary.coldStartMs),
          cells(summary.aboveBootMs),
          cells(summary.fastestMs),
          cells(summary.slowestMs),
        ]),
      ),
      "",
      "Where the time goes (medians; queued is the whole time without a pod, the others are its parts and the answer):",
      formatTable(
        ["PHASE", ...summaries.map(({ spares }) => `${spares} SPARES`)],
        (summaries[0]?.phases ?? []).map(({ name }) => [
          name,
          ...summaries.map(({ phases }) => cells(phases.find((phase) => phase.name === name)?.medianMs ?? 0)),
        ]),
      ),
      "",
    ].join("\n"),
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}

async function wait(delayMs: number): Promise<void> {
  await new Promise<void>((resolve) => void setTimeout(resolve, delayMs));
}
