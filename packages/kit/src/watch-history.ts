/**
 * The last lines of a list-watch stream, each with its number, bounded in lines and bytes: what readers that come
 * back or fall behind still have to get. All watchers share it, so a slow one costs no memory of its own.
 */
export class WatchHistory {
  readonly #maxLines: number;
  readonly #maxBytes: number;
  /** Ring by number: line `n` stands at `n % maxLines`. */
  readonly #lines: (Buffer | undefined)[] = [];
  #first = 1;
  #last = 0;
  #bytes = 0;

  constructor(maxLines: number, maxBytes: number) {
    this.#maxLines = maxLines;
    this.#maxBytes = maxBytes;
  }

  /** The number of the newest line; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /** Adds line `last + 1`; drops the oldest beyond the bounds. */
  push(line: Buffer): void {
    this.#last++;
    if (this.#last - this.#first >= this.#maxLines) this.#dropFirst();
    this.#lines[this.#last % this.#maxLines] = line;
    this.#bytes += line.length;
    while (this.#bytes > this.#maxBytes && this.#first < this.#last) this.#dropFirst();
  }

  /** Counts a line that nobody can need; with it all before it are forgotten. */
  skip(): void {
    this.#last++;
    this.#first = this.#last + 1;
    this.#lines.length = 0;
    this.#bytes = 0;
  }

  /** Whether every line after `number` is still here. */
  reaches(number: number): boolean {
    return number >= this.#first - 1 && number <= this.#last;
  }

  /** Line `number`, or undefined when it was dropped or does not exist yet. */
  at(number: number): Buffer | undefined {
    return number >= this.#first && number <= this.#last ? this.#lines[number % this.#maxLines] : undefined;
  }

  #dropFirst(): void {
    const slot = this.#first % this.#maxLines;
    this.#bytes -= this.#lines[slot]?.length ?? 0;
    this.#lines[slot] = undefined;
    this.#first++;
  }
}
