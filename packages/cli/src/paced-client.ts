/** When the next request is due: never before its slot, and a client that fell behind catches up by one slot at most. */
export function decideNextSlotMs(slotMs: number, intervalMs: number, nowMs: number): number {
  return Math.max(slotMs + intervalMs, nowMs - intervalMs);
}

/** Sends at even intervals, as long as the answers come in time. */
export class PacedClient {
  readonly #intervalMs: number;
  readonly #send: () => void;
  #slotMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** The first request is due at `firstMs` of `performance.now()`. */
  constructor(intervalMs: number, firstMs: number, send: () => void) {
    this.#intervalMs = intervalMs;
    this.#slotMs = firstMs - intervalMs;
    this.#send = send;
  }

  /** Sends when the next slot has come. */
  next(): void {
    const nowMs = performance.now();
    this.#slotMs = decideNextSlotMs(this.#slotMs, this.#intervalMs, nowMs);
    const waitMs = this.#slotMs - nowMs;
    // Timers count whole milliseconds; what is due within one is sent now, or the pace would fall behind.
    if (waitMs < 1) this.#send();
    else this.#timer = setTimeout(this.#send, waitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
