export interface LogLine {
  /** Wall clock, ISO 8601. */
  readonly at: string;
  /** The pod or member that wrote it. */
  readonly source: string;
  /** `app`, `sidecar`, or the member's own name. */
  readonly container: string;
  readonly text: string;
}

export type LogListener = (line: LogLine) => void;

const longestText = 4096;

/** The last lines of everything that runs, oldest first; a line beyond the capacity pushes the oldest out. */
export class LogRing {
  readonly #capacity: number;
  readonly #lines: LogLine[] = [];
  readonly #listeners = new Set<LogListener>();
  #start = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  add(line: LogLine): void {
    const kept =
      line.text.length > longestText ? { ...line, text: `${line.text.slice(0, longestText)}…` } : line;
    if (this.#lines.length < this.#capacity) {
      this.#lines.push(kept);
    } else {
      this.#lines[this.#start] = kept;
      this.#start = (this.#start + 1) % this.#capacity;
    }
    for (const listener of this.#listeners) listener(kept);
  }

  /** The last `count` lines that `isWanted` accepts, oldest first. */
  tail(count: number, isWanted: (line: LogLine) => boolean): LogLine[] {
    const found: LogLine[] = [];
    for (let back = this.#lines.length - 1; back >= 0 && found.length < count; back--) {
      const line = this.#lines[(this.#start + back) % this.#lines.length];
      if (line !== undefined && isWanted(line)) found.push(line);
    }
    return found.toReversed();
  }

  /** Calls `listener` with every later line; returns what stops that. */
  follow(listener: LogListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
