/** What the peer may still send, on a stream or on the whole connection (RFC 9113 §5.2). */
export class ReceiveWindow {
  readonly #size: number;
  #left: number;
  /** Given back, and the peer not told yet. */
  #credit = 0;

  constructor(size: number) {
    this.#size = size;
    this.#left = size;
  }

  /** False when the peer sent more than it might. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** So many bytes are not held any more. Returns by how much the peer is to be told now, 0 while it is not worth a frame. */
  give(bytes: number): number {
    this.#credit += bytes;
    if (2 * this.#credit < this.#size) return 0;
    const increment = this.#credit;
    this.#left += increment;
    this.#credit = 0;
    return increment;
  }
}
