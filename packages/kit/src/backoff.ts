export interface BackoffLimits {
  /** Longest first wait in milliseconds; default 50. */
  readonly firstMs?: number;
  /** Longest wait of all in milliseconds; default 2000. */
  readonly capMs?: number;
}

/**
 * How long to wait before attempt `attempt` (0 is the first retry): doubles up to the cap, and is spread over the
 * upper half of that by `random` (0 to 1), so that many clients of one server do not come back in step.
 */
export function decideBackoffMs(attempt: number, random: number, limits: BackoffLimits = {}): number {
  const capMs = limits.capMs ?? 2000;
  const longestMs = Math.min(capMs, (limits.firstMs ?? 50) * 2 ** Math.min(attempt, 30));
  return longestMs * (0.5 + random / 2);
}

/** Counts the attempts for `decideBackoffMs`. */
export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #random: () => number;
  #attempt = 0;

  constructor(limits: BackoffLimits = {}, random: () => number = Math.random) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Milliseconds to wait before the next attempt; each call is one attempt. */
  nextMs(): number {
    return decideBackoffMs(this.#attempt++, this.#random(), this.#limits);
  }

  /** The other side works again: the next failure starts from the first wait. */
  reset(): void {
    this.#attempt = 0;
  }
}
