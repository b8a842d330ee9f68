import type { CancelTimer, Clock } from "@sluice/core";
import type { ExitStatus, GuardedProcess } from "./guarded-process.ts";
import { decideRestart, type RestartState } from "./restart-backoff.ts";

export interface SupervisedEvents {
  onStart(process: GuardedProcess): void;
  /** Every end that nobody asked for; the next start follows after `delayMs`. */
  onCrash(crash: { readonly status: ExitStatus; readonly failures: number; readonly delayMs: number }): void;
}

/** Keeps one program running: starts it again, with growing pauses, each time it ends by itself. */
export class SupervisedProcess {
  readonly #clock: Clock;
  readonly #start: () => GuardedProcess;
  readonly #events: SupervisedEvents;
  #current: GuardedProcess | undefined;
  #startedMs = 0;
  #restarts: RestartState = { failures: 0 };
  #cancelRestart: CancelTimer | undefined;
  #isStopping = false;

  constructor(clock: Clock, start: () => GuardedProcess, events: SupervisedEvents) {
    this.#clock = clock;
    this.#start = start;
    this.#events = events;
  }

  /** The program's process id while it runs. */
  get pid(): number | undefined {
    return this.#current?.pid;
  }

  start(): void {
    if (this.#isStopping) return;
    const current = this.#start();
    this.#current = current;
    this.#startedMs = this.#clock.monotonic();
    this.#events.onStart(current);
    void current.closed.then((status) => this.#ended(current, status));
  }

  /** Asks it to end, and kills its group when it has not within `limitMs`. Resolves when nothing of it is left. */
  async stop(limitMs: number): Promise<void> {
    this.#isStopping = true;
    this.#cancelRestart?.();
    const current = this.#current;
    if (current === undefined) return;
    current.signal("SIGTERM");
    const cancel = this.#clock.setTimer(() => current.kill(), limitMs);
    await current.closed;
    cancel();
  }

  /** Ends it at once, without asking. */
  kill(): void {
    this.#isStopping = true;
    this.#cancelRestart?.();
    this.#current?.kill();
  }

  #ended(process: GuardedProcess, status: ExitStatus): void {
    if (this.#current === process) this.#current = undefined;
    if (this.#isStopping) return;
    const decision = decideRestart(this.#restarts, this.#clock.monotonic() - this.#startedMs);
    this.#restarts = decision;
    this.#events.onCrash({ status, failures: decision.failures, delayMs: decision.delayMs });
    this.#cancelRestart = this.#clock.setTimer(() => this.start(), decision.delayMs);
  }
}
