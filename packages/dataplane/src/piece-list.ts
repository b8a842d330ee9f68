/** Pieces that are together no longer than this become one. */
const pageBytes = 4096;

const noPage = Buffer.alloc(0);

/**
 * Bytes of a body that wait, in few pieces however small those were in which they came: a Buffer costs some hundred bytes besides what it
 * holds, and a peer may send a body byte by byte.
 */
export class PieceList {
  readonly #pieces: Uint8Array[] = [];
  /** The last piece may lie in it, and grow where it ends. It is only ever written forward, as its bytes may be under way. */
  #page = noPage;
  #pageEnd = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get first(): Uint8Array | undefined {
    return this.#pieces[0];
  }

  get pieces(): readonly Uint8Array[] {
    return this.#pieces;
  }

  push(piece: Uint8Array): void {
    this.#bytes += piece.length;
    const last = this.#pieces.at(-1);
    if (last === undefined || last.length + piece.length > pageBytes) this.#pieces.push(piece);
    else this.#pieces[this.#pieces.length - 1] = this.#join(last, piece);
  }

  shift(): Uint8Array | undefined {
    const first = this.#pieces.shift();
    this.#bytes -= first?.length ?? 0;
    return first;
  }

  #join(last: Uint8Array, piece: Uint8Array): Uint8Array {
    const isInPage = last.buffer === this.#page.buffer && this.#pageEnd + piece.length <= this.#page.length;
    if (!isInPage) {
      this.#page = Buffer.allocUnsafeSlow(pageBytes);
      this.#page.set(last);
      this.#pageEnd = last.length;
    }
    const start = this.#pageEnd - last.length;
    this.#page.set(piece, this.#pageEnd);
    this.#pageEnd += piece.length;
    return this.#page.subarray(start, this.#pageEnd);
  }
}

/** Holds nothing and is not put into: most bodies never wait, and need no list of their own. */
export const noPieces: PieceList = new PieceList();
