import type { StartedProcess } from "./started-process.ts";

/** Something that answers requests, alone or in front of the upstream. */
export interface Subject {
  readonly name: string;
  /** Why it cannot run here; undefined when it can. */
  findMissing(): string | undefined;
  start(upstreamPort: number): Promise<RunningSubject>;
}

export interface RunningSubject {
  readonly url: string;
  readonly host?: string;
  /** Whose CPU and memory count, by their part in it. None for the upstream itself. */
  readonly processes: Readonly<Record<string, StartedProcess>>;
  stop(): Promise<void>;
}

/** A subject that is one process. */
export function toRunningSubject(name: string, url: string, child: StartedProcess): RunningSubject {
  return { url, processes: { [name]: child }, stop: () => child.stop() };
}
