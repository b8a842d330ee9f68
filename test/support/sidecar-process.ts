import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { onTestFinished } from "vitest";

const main = join(import.meta.dirname, "..", "..", "packages", "sidecar", "src", "main.ts");

/** A sidecar as a process of its own, and what it says. */
export interface SidecarProcess {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  /** Standard output, a character per byte. */
  out: string;
  error: string;
}

/** Ends with the test. `program`: another file than the sources' own. */
export function runSidecar(environment: Readonly<Record<string, string>>, program = main): SidecarProcess {
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env["PATH"] ?? "", ...environment },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exit = new Promise<number | null>((resolve) => {
    child.on("close", resolve);
  });
  const run: SidecarProcess = { child, exit, out: "", error: "" };
  child.stdout.on("data", (chunk: Buffer) => (run.out += chunk.toString("latin1")));
  child.stderr.on("data", (chunk: Buffer) => (run.error += chunk.toString()));
  return run;
}

/** Resolves when it has said that; rejects when it ends without. */
export function waitForLine(process: SidecarProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const match = pattern.exec(process.out);
      if (match !== null) resolve(match);
    };
    process.child.stdout?.on("data", look);
    process.child.on("exit", () => reject(new Error(`ended without ${String(pattern)}: ${process.error}`)));
    look();
  });
}
