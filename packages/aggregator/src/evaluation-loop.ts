import type { CancelTimer, Clock } from "@sluice/core";

export interface EvaluationLoopOptions<T> {
  readonly clock: Clock;
  /** Everything there is, in a stable order. */
  readonly list: () => Iterable<T>;
  readonly evaluate: (item: T) => void;
  /** Knative: 2000. */
  readonly periodMs?: number;
}

/** So few at a time that a stat that arrives meanwhile waits for less than a millisecond. */
const itemsPerStep = 100;
const maxSteps = 200;

/** Does something with everything once in a period, spread over it in steps, so that nothing else ever waits long. */
export class EvaluationLoop<T> {
  readonly #options: EvaluationLoopOptions<T>;
  readonly #periodMs: number;
  #items: T[] = [];
  #next = 0;
  #startMs = 0;
  #step = 0;
  #steps = 1;
  #cancel: CancelTimer | undefined;

  constructor(options: EvaluationLoopOptions<T>) {
    this.#options = options;
    this.#periodMs = options.periodMs ?? 2000;
  }

  start(): void {
    this.#startMs = this.#options.clock.monotonic();
    this.#beginRound();
    this.#schedule();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #beginRound(): void {
    this.#items = [...this.#options.list()];
    this.#next = 0;
    this.#step = 0;
    this.#steps = Math.min(maxSteps, Math.max(1, Math.ceil(this.#items.length / itemsPerStep)));
  }

  #runStep(): void {
    this.#step++;
    const end = Math.ceil((this.#items.length * this.#step) / this.#steps);
    for (; this.#next < end; this.#next++) {
      const item = this.#items[this.#next];
      if (item !== undefined) this.#options.evaluate(item);
    }
    if (this.#step >= this.#steps) {
      this.#startMs += this.#periodMs;
      // After a pause (a suspended laptop) the rounds that were missed are not made up for.
      const nowMs = this.#options.clock.monotonic();
      if (this.#startMs + this.#periodMs < nowMs) this.#startMs = nowMs;
      this.#beginRound();
    }
    this.#schedule();
  }

  #schedule(): void {
    const dueMs = this.#startMs + (this.#periodMs * (this.#step + 1)) / this.#steps;
    const delayMs = Math.max(0, dueMs - this.#options.clock.monotonic());
    this.#cancel = this.#options.clock.setTimer(() => this.#runStep(), delayMs);
  }
}
