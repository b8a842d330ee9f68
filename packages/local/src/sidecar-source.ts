import type { CancelTimer, Clock } from "@sluice/core";
import { spawnGuarded, type GuardedProcess, type OutputLine } from "./guarded-process.ts";
import type { ServiceProgram } from "./service-program.ts";

interface Spare {
  readonly process: GuardedProcess;
  onLine: OutputLine;
}

export interface SidecarSourceOptions {
  readonly program: ServiceProgram;
  /** Sidecars that are kept started; 0 keeps none. */
  readonly spares: number;
  /** Of the platform itself: search path and such. */
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
}

/** A pod that has just started needs the processor more than the next spare does. */
const refillDelayMs = 1000;

/**
 * Starts sidecars. A sidecar's own start, some 90 ms of loading code, would be part of every cold start, so a few are
 * kept started: they have bound nothing, know nothing, and wait for their variables on standard input.
 */
export class SidecarSource {
  readonly #clock: Clock;
  readonly #options: SidecarSourceOptions;
  readonly #spares: Spare[] = [];
  #cancelRefill: CancelTimer | undefined;
  #isClosed = false;

  constructor(clock: Clock, options: SidecarSourceOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#refill();
  }

  start(variables: Readonly<Record<string, string>>, onLine: OutputLine): GuardedProcess {
    const spare = this.#spares.shift();
    this.#scheduleRefill();
    if (spare === undefined) return this.#spawn(variables, onLine);
    spare.onLine = onLine;
    spare.process.input.end(`${JSON.stringify(variables)}\n`);
    return spare.process;
  }

  /** Spares that wait now. */
  get spareCount(): number {
    return this.#spares.length;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRefill?.();
    for (const spare of this.#spares.splice(0)) spare.process.kill();
  }

  #scheduleRefill(): void {
    this.#cancelRefill?.();
    this.#cancelRefill = this.#clock.setTimer(() => this.#refill(), refillDelayMs);
  }

  #refill(): void {
    while (!this.#isClosed && this.#spares.length < this.#options.spares) {
      const spare: Spare = {
        onLine: () => {},
        process: this.#spawn({ SLUICE_ENVIRONMENT: "stdin" }, (line) => spare.onLine(line)),
      };
      this.#spares.push(spare);
      void spare.process.exited.then(() => this.#dropSpare(spare));
    }
  }

  #dropSpare(spare: Spare): void {
    const index = this.#spares.indexOf(spare);
    if (index === -1) return;
    this.#spares.splice(index, 1);
    if (!this.#isClosed) this.#scheduleRefill();
  }

  #spawn(variables: Readonly<Record<string, string>>, onLine: OutputLine): GuardedProcess {
    const { program, environment, workingDirectory } = this.#options;
    return spawnGuarded(
      {
        command: program.command,
        args: program.args,
        environment: { ...environment, ...variables },
        workingDirectory,
      },
      onLine,
    );
  }
}
