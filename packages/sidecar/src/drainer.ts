import type { CancelTimer, Clock } from "@sluice/core";

/**
 * Knows whether the pod is being taken away. Draining still serves; it only waits until no request has started for the
 * quiet period, because those who send requests learn late that the pod is gone.
 */
export class Drainer {
  readonly #clock: Clock;
  readonly #quietMs: number;
  #waiters: (() => void)[] = [];
  #cancelTimer: CancelTimer | undefined;
  #isDraining = false;
  #lastStartMs = 0;

  constructor(clock: Clock, quietMs: number) {
    this.#clock = clock;
    this.#quietMs = quietMs;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Begins to drain, or joins in; resolves when it has been quiet for long enough, or on `reset`. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      if (!this.#isDraining) {
        this.#isDraining = true;
        this.#lastStartMs = this.#clock.monotonic();
      }
      if (this.#cancelTimer === undefined) this.#wait();
    });
  }

  /** A request has started: the quiet period begins anew. */
  requestStarted(): void {
    if (this.#isDraining) this.#lastStartMs = this.#clock.monotonic();
  }

  /** The pod stays after all. Those who wait are released. */
  reset(): void {
    this.#cancelTimer?.();
    this.#isDraining = false;
    this.#release();
  }

  #wait(): void {
    const leftMs = this.#lastStartMs + this.#quietMs - this.#clock.monotonic();
    if (leftMs > 0) this.#cancelTimer = this.#clock.setTimer(() => this.#wait(), leftMs);
    else this.#release();
  }

  #release(): void {
    this.#cancelTimer = undefined;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}
