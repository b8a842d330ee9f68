import type { Running } from "@sluice/kit";

/** What a command gets from the process it runs in. */
export interface CommandContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The project's folder. */
  readonly root: string;
  readonly stdout: NodeJS.WriteStream;
  /** For people, where standard output is for the next command. */
  readonly stderr: NodeJS.WriteStream;
  /** For a command that goes on after it has started: what stops it. */
  keepRunning(running: Running): void;
}

/** Where `sluice up` is found; every command takes it. */
export const runtimeDirOption = [
  "--runtime-dir <folder>",
  "folder of the control socket of sluice up (SLUICE_RUNTIME_DIR; default: one of your user)",
] as const;

export const jsonOption = ["--json", "print JSON for programs"] as const;

export function printJson(stdout: NodeJS.WriteStream, value: unknown): void {
  stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
