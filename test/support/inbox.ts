/** Keeps what arrives until somebody asks, in order; asking waits for what has not arrived yet. */
export class Inbox<T> {
  #waiting: T[] = [];
  /** Where the first that was not taken stands; taking from the front of a long array would move all the rest. */
  #first = 0;
  readonly #asking: ((value: T) => void)[] = [];

  /** What arrived and was not taken yet. */
  get size(): number {
    return this.#waiting.length - this.#first;
  }

  push(value: T): void {
    const ask = this.#asking.shift();
    if (ask === undefined) this.#waiting.push(value);
    else ask(value);
  }

  next(): Promise<T> {
    if (this.size === 0) return new Promise((resolve) => this.#asking.push(resolve));
    const value = this.#waiting[this.#first++] as T;
    if (this.size === 0) {
      this.#waiting = [];
      this.#first = 0;
    }
    return Promise.resolve(value);
  }

  /** Takes until one is as wanted, and returns that. */
  async until(isWanted: (value: T) => boolean): Promise<T> {
    for (;;) {
      const value = await this.next();
      if (isWanted(value)) return value;
    }
  }
}
