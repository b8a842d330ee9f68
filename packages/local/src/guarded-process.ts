import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";

/**
 * The guard is a shell in the group of the process that it guards. It sleeps in `read` on a pipe whose other end only
 * this process holds, so it wakes when that end is closed on purpose and when this process dies, `kill -9` included.
 * It then kills its whole group, and where there is a /proc whatever left the group but still carries the mark in its
 * environment. `exec` gives the program the shell's own process id, so that its exit status reaches us unchanged.
 */
const guardScript = `{
  trap "" TERM HUP INT
  read -r _
  me=
  read -r me _ </proc/self/stat
  for file in $(grep -laF "SLUICE_PROCESS=$SLUICE_PROCESS" /proc/[0-9]*/environ); do
    id=\${file#/proc/}
    id=\${id%/environ}
    [ "$id" = "$me" ] || kill -KILL "$id"
  done
  kill -KILL -- -$$
} <&3 3<&- >/dev/null 2>&1 &
exec "$@" 3<&-`;

/** Output that a grandchild keeps open must not keep an ended process from counting as closed. */
const closeLimitMs = 1000;

export interface ProcessSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
}

export interface ExitStatus {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

/** A child in a process group of its own that cannot outlive us. */
export interface GuardedProcess {
  readonly pid: number;
  /** For a spare that waits for its variables; everything else has an empty standard input. */
  readonly input: Writable;
  /** As soon as the program has ended. Never rejects; a program that could not be started ended with code 127. */
  readonly exited: Promise<ExitStatus>;
  /** When its group is gone and all its output was read. */
  readonly closed: Promise<ExitStatus>;
  /** To the program alone, as a kubelet does; does nothing once it has ended. */
  signal(name: "SIGTERM" | "SIGKILL"): void;
  /** Ends the whole group at once. */
  kill(): void;
}

export type OutputLine = (line: string) => void;

/** Starts a program under its guard. Its output goes to `onLine`, line by line, both streams alike. */
export function spawnGuarded(spec: ProcessSpec, onLine: OutputLine): GuardedProcess {
  const child = spawn("/bin/sh", ["-c", guardScript, "sluice-guard", spec.command, ...spec.args], {
    cwd: spec.workingDirectory,
    env: { ...spec.environment, SLUICE_PROCESS: randomBytes(12).toString("hex") },
    detached: true,
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  const { stdin, stdout, stderr } = child;
  const guard = child.stdio[3];
  // Writing to a child that is gone is no news: its exit tells.
  stdin.on("error", () => {});
  guard?.on("error", () => {});
  readLines(stdout, onLine);
  readLines(stderr, onLine);

  const exited = new Promise<ExitStatus>((resolve) => {
    child.once("exit", (code, signal) => {
      guard?.destroy();
      resolve({ code: code ?? undefined, signal: signal ?? undefined });
    });
    child.once("error", (error) => {
      // The system names the program, whichever of the two is missing.
      const isFolderThere = existsSync(spec.workingDirectory);
      onLine(isFolderThere ? error.message : `its working folder ${spec.workingDirectory} does not exist`);
      resolve({ code: 127, signal: undefined });
    });
  });
  const outputEnded = new Promise<void>((resolve) => void child.once("close", () => resolve()));
  const closed = exited.then(async (status) => {
    await Promise.race([outputEnded, after(closeLimitMs)]);
    return status;
  });

  return {
    pid: child.pid ?? 0,
    input: stdin,
    exited,
    closed,
    signal: (name) => void child.kill(name),
    kill: () => guard?.destroy(),
  };
}

async function after(delayMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    setTimeout(resolve, delayMs).unref();
  });
}

/** A line without an end is cut here, so that a program cannot fill our memory with one. */
const longestLine = 16 * 1024;

function readLines(stream: Readable, onLine: OutputLine): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line.endsWith("\r") ? line.slice(0, -1) : line);
    if (rest.length > longestLine) {
      onLine(rest);
      rest = "";
    }
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
  });
}
