import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";

export interface ProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Default SIGTERM; a process that takes its time to drain is ended at once. */
  readonly stopSignal?: NodeJS.Signals;
}

export interface StartedProcess {
  readonly pid: number;
  /** What it said last, for messages. */
  output(): string;
  hasEnded(): boolean;
  /** Settles when it has ended. */
  readonly ended: Promise<unknown>;
  stop(): Promise<void>;
}

const stopLimitMs = 3000;
const outputChars = 4000;
const living = new Set<ChildProcess>();

/** No process outlives the run, however that ends. */
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

/** Starts a program whose CPU and memory can be told from everything else's. */
export function startProcess(options: ProcessOptions): StartedProcess {
  const environment = { PATH: process.env["PATH"], HOME: process.env["HOME"], ...options.environment };
  const child = spawn(options.command, [...options.args], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (child.pid === undefined) {
    // The reason comes with this event; it is told by whoever waits for the program to answer.
    child.on("error", () => undefined);
    throw new Error(`cannot start ${options.command}; is it installed?`);
  }
  let output = "";
  const keep = (bytes: Buffer): void => void (output = (output + bytes.toString()).slice(-outputChars));
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  living.add(child);
  const ended = once(child, "exit").finally(() => living.delete(child));
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid,
    output: () => output,
    hasEnded,
    ended,
    stop: () => stop(child, ended, options.stopSignal),
  };
}

async function stop(child: ChildProcess, ended: Promise<unknown>, signal?: NodeJS.Signals): Promise<void> {
  child.kill(signal ?? "SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopLimitMs);
  await ended;
  clearTimeout(timer);
}
