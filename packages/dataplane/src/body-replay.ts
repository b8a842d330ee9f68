import { noPieces, PieceList } from "./piece-list.ts";

/**
 * The beginning of a request's body, kept while all of it fits, so that a request that provably did nothing at its first
 * target can be sent to another from its first byte on.
 */
export class BodyReplay {
  readonly #maxBytes: number;
  #kept = noPieces;
  #isWhole = true;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Everything that was taken so far is kept. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get pieces(): readonly Uint8Array[] {
    return this.#kept.pieces;
  }

  /** Whether it would still be whole with this chunk. */
  fits(chunk: Uint8Array): boolean {
    return this.#isWhole && this.#kept.bytes + chunk.length <= this.#maxBytes;
  }

  add(chunk: Uint8Array): void {
    if (!this.fits(chunk)) {
      this.drop();
      return;
    }
    if (this.#kept === noPieces) this.#kept = new PieceList();
    this.#kept.push(chunk);
  }

  /** From here on the body cannot be sent again. */
  drop(): void {
    this.#isWhole = false;
    this.#kept = noPieces;
  }
}
