/** One piece of work; a newer one for the same key takes the place of one that has not started. */
export type Work = () => Promise<void>;

/**
 * Runs work one at a time for each key and at most `limit` at once, newest wins: a revision whose decision changes three
 * times while its first write is on the way is written twice. Bounded by the number of keys.
 */
export class KeyedWorker {
  readonly #limit: number;
  readonly #onError: (key: string, error: unknown) => void;
  readonly #waiting = new Map<string, Work>();
  readonly #running = new Set<string>();
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(limit: number, onError: (key: string, error: unknown) => void) {
    this.#limit = limit;
    this.#onError = onError;
  }

  submit(key: string, work: Work): void {
    this.#waiting.set(key, work);
    this.#startNext();
  }

  /** Resolves when nothing runs or waits. */
  whenIdle(): Promise<void> {
    if (this.#running.size === 0 && this.#waiting.size === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers();
    return this.#idle.promise;
  }

  /** Forgets what has not started. */
  clear(): void {
    this.#waiting.clear();
  }

  #startNext(): void {
    for (const [key, work] of this.#waiting) {
      if (this.#running.size >= this.#limit) return;
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#run(key, work);
    }
  }

  async #run(key: string, work: Work): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#onError(key, error);
    } finally {
      this.#running.delete(key);
      this.#startNext();
      if (this.#running.size === 0 && this.#waiting.size === 0) {
        this.#idle?.resolve();
        this.#idle = undefined;
      }
    }
  }
}
