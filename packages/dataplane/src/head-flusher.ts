/** An answer whose head may still wait for its body. */
export interface PendingHead {
  /** Sends the head unless something has been sent meanwhile. */
  flushIfWaiting(): void;
}

/**
 * Sends heads that no body followed at once, so that nobody waits for a body that comes late, as in server-sent events. One
 * `setImmediate` serves all answers of a turn of the event loop: most have their whole body by then and cost nothing.
 */
export class HeadFlusher {
  #pending: PendingHead[] = [];

  add(head: PendingHead): void {
    if (this.#pending.push(head) === 1) setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    const pending = this.#pending;
    this.#pending = [];
    for (const head of pending) head.flushIfWaiting();
  };
}
