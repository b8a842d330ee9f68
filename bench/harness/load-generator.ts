import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram } from "./find-program.ts";
import { startProcess } from "./started-process.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface Load {
  readonly url: string;
  readonly host?: string;
  readonly connections: number;
  readonly seconds: number;
  /** Bytes of the body of a POST; a GET without. */
  readonly bodyBytes?: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Connection errors, timeouts and answers outside 2xx and 3xx. */
  readonly failures: number;
}

export interface LoadGenerator {
  readonly name: string;
  run(load: Load): Promise<LoadResult>;
}

/** wrk where there is one; else autocannon, which costs more CPU itself and so measures lower. */
export function findLoadGenerator(): LoadGenerator {
  const wrk = findProgram("wrk");
  return wrk === undefined
    ? { name: "autocannon, in its own process", run: runAutocannon }
    : { name: "wrk, 1 thread", run: (load) => runWrk(wrk, load) };
}

const graceMs = 15_000;

/** Prints one line that can be parsed: wrk's own report rounds. */
export const wrkReport = `
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\\nRESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.timeout + e.status))
end
`;

async function runWrk(wrk: string, load: Load): Promise<LoadResult> {
  const script = join(temporaryFolder(), `wrk-${load.bodyBytes ?? 0}.lua`);
  const body =
    load.bodyBytes === undefined
      ? ""
      : `wrk.method = "POST"\nwrk.body = string.rep("x", ${load.bodyBytes})\n`;
  writeFileSync(script, body + wrkReport);
  const host = load.host === undefined ? [] : ["-H", `Host: ${load.host}`];
  const args = ["-t1", `-c${load.connections}`, `-d${load.seconds}s`, "-s", script, ...host, load.url];
  return parseWrkReport(await runToEnd(wrk, args, load.seconds));
}

/** Throws when `wrkReport` was not part of the script, or wrk did not get so far. */
export function parseWrkReport(output: string): LoadResult {
  const figures = /^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(output)?.slice(1).map(Number);
  if (figures === undefined) throw new Error(`wrk said nothing that can be read:\n${output}`);
  const [requests = 0, durationUs = 0, p50Us = 0, p99Us = 0, failures = 0] = figures;
  return {
    requests,
    requestsPerSecond: requests / (durationUs / 1e6),
    p50Ms: p50Us / 1000,
    p99Ms: p99Us / 1000,
    failures,
  };
}

interface AutocannonResult {
  readonly requests: { readonly total: number };
  readonly duration: number;
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly errors: number;
  readonly non2xx: number;
}

async function runAutocannon(load: Load): Promise<LoadResult> {
  const program = fileURLToPath(import.meta.resolve("autocannon"));
  const host = load.host === undefined ? [] : ["-H", `Host=${load.host}`];
  const body = load.bodyBytes === undefined ? [] : ["-m", "POST", "-b", "x".repeat(load.bodyBytes)];
  const args = [program, "-j", "-n", "-c", String(load.connections), "-d", String(load.seconds)];
  const output = await runToEnd(process.execPath, [...args, ...host, ...body, load.url], load.seconds);
  const result = JSON.parse(output.slice(output.indexOf("{"))) as AutocannonResult;
  return {
    requests: result.requests.total,
    requestsPerSecond: result.requests.total / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    failures: result.errors + result.non2xx,
  };
}

async function runToEnd(command: string, args: readonly string[], seconds: number): Promise<string> {
  const child = startProcess({ command, args });
  const timer = setTimeout(() => void child.stop(), seconds * 1000 + graceMs);
  await child.ended;
  clearTimeout(timer);
  return child.output();
}
