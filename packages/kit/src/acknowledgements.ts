import type { Clock } from "@sluice/core";

interface Waiter {
  readonly number: number;
  readonly names: Set<string>;
  finish(): void;
}

/** What each reader has applied, and those who wait for it. Bounded in names. */
export class Acknowledgements {
  readonly #clock: Clock;
  readonly #maxNames: number;
  readonly #numbers = new Map<string, number>();
  readonly #waiters = new Set<Waiter>();

  constructor(clock: Clock, maxNames: number) {
    this.#clock = clock;
    this.#maxNames = maxNames;
  }

  /** The newest number that `name` acknowledged. */
  by(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  /** False when there are too many names already. An older number than the last changes nothing. */
  add(name: string, number: number): boolean {
    const known = this.#numbers.get(name);
    if (known === undefined && this.#numbers.size >= this.#maxNames) return false;
    if (known === undefined || number > known) this.#numbers.set(name, number);
    for (const waiter of this.#waiters) if (number >= waiter.number) this.#release(waiter, name);
    return true;
  }

  /** The reader is gone for good: nobody waits for it any more. */
  forget(name: string): void {
    this.#numbers.delete(name);
    for (const waiter of this.#waiters) this.#release(waiter, name);
  }

  /** Resolves with the names that are still missing when the time is over; none when all came. */
  wait(number: number, names: Iterable<string>, timeoutMs: number): Promise<readonly string[]> {
    const missing = new Set<string>();
    for (const name of names) if ((this.#numbers.get(name) ?? -1) < number) missing.add(name);
    if (missing.size === 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        this.#waiters.delete(waiter);
        resolve([...missing]);
      };
      const waiter: Waiter = { number, names: missing, finish };
      const cancel = this.#clock.setTimer(finish, timeoutMs);
      this.#waiters.add(waiter);
    });
  }

  /** Ends every wait with what is missing. */
  close(): void {
    for (const waiter of this.#waiters) waiter.finish();
  }

  #release(waiter: Waiter, name: string): void {
    if (waiter.names.delete(name) && waiter.names.size === 0) waiter.finish();
  }
}
