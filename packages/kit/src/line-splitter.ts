/** Cuts a stream of UTF-8 bytes into lines without their `\n`. Bytes that are not UTF-8 and over-long lines throw. */
export class LineSplitter {
  readonly #maxChars: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #rest = "";

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  /** Calls `onLine` for each line that these bytes complete, until one returns false. */
  push(bytes: Uint8Array, onLine: (line: string) => boolean): void {
    const text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      if (end - start > this.#maxChars) throw new RangeError("a line is too long");
      const line = text.slice(start, end);
      start = end + 1;
      if (line !== "" && !onLine(line)) return;
    }
    if (text.length - start > this.#maxChars) throw new RangeError("a line is too long");
    this.#rest = text.slice(start);
  }
}
