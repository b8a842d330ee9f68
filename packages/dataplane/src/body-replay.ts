/**
 * The beginning of a request's body, kept while all of it fits, so that a request that provably did nothing at its first
 * target can be sent to another from its first byte on.
 */
export class BodyReplay {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #isWhole = true;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Everything that was taken so far is kept. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  /** Whether it would still be whole with this chunk. */
  fits(chunk: Buffer): boolean {
    return this.#isWhole && this.#bytes + chunk.length <= this.#maxBytes;
  }

  add(chunk: Buffer): void {
    if (!this.#isWhole) return;
    this.#bytes += chunk.length;
    if (this.#bytes <= this.#maxBytes) this.#chunks.push(chunk);
    else this.drop();
  }

  /** From here on the body cannot be sent again. */
  drop(): void {
    this.#isWhole = false;
    this.#chunks = [];
  }
}
