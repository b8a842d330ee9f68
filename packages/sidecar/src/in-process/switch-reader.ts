/** More than this is no head of an answer. */
const maxHeadBytes = 64 * 1024;

/** Reads the answer to an upgrade out of the bytes that an app writes: its status, and where its head ends. */
export class SwitchReader {
  #head = "";
  #status = 0;
  #isPast = false;

  /** Anything of it was written. */
  get hasBegun(): boolean {
    return this.#head !== "";
  }

  /** 0 until it has been said. */
  get status(): number {
    return this.#status;
  }

  /** Returns what is behind the head. */
  read(chunk: Uint8Array): Uint8Array {
    if (this.#isPast) return chunk;
    const before = this.#head.length;
    this.#head += Buffer.from(chunk).toString("latin1");
    this.#status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(this.#head)?.[1] ?? 0);
    const end = this.#head.indexOf("\r\n\r\n");
    this.#isPast = end !== -1 || this.#head.length > maxHeadBytes;
    return end === -1 ? chunk.subarray(chunk.length) : chunk.subarray(end + 4 - before);
  }
}
