const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const listStart = 0x5b;
const listEnd = 0x5d;
const mapStart = 0x7b;
const mapEnd = 0x7d;
/** What is open around an item: the answer and its `items`. */
const depthAroundItems = 2;

/**
 * Cuts a list of the API into its items while it arrives, so that a page of large objects is never in memory as a whole:
 * what is made of one item is garbage before the next one comes. Items are what stands in a list directly under the answer.
 * Whether it is JSON is found when an item or the rest is parsed. UTF-8 needs no care: its longer characters have no byte in
 * common with the syntax.
 */
export class ItemSplitter {
  readonly #onItem: (text: string) => void;
  readonly #maxItemBytes: number;
  readonly #rest: Buffer[] = [];
  #item: Buffer[] = [];
  #itemBytes = 0;
  #depth = 0;
  #isInList = false;
  #isInText = false;
  #isEscaped = false;

  constructor(maxItemBytes: number, onItem: (text: string) => void) {
    this.#maxItemBytes = maxItemBytes;
    this.#onItem = onItem;
  }

  /** Throws RangeError for an item that is too long, and what `onItem` throws. */
  push(bytes: Buffer): void {
    let start = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (this.#isInText) this.#stepInText(byte);
      else if (byte === quote) this.#isInText = true;
      else if (byte === mapStart || byte === listStart) {
        if (this.#isBetweenItems) start = this.#keep(bytes, start, at);
        this.#depth++;
        if (this.#depth === depthAroundItems) this.#isInList = byte === listStart;
      } else if (byte === mapEnd || byte === listEnd) {
        this.#depth--;
        if (this.#isBetweenItems) start = this.#endItem(bytes, start, at + 1);
      } else if (byte === comma && this.#isBetweenItems) start = this.#keep(bytes, start, at) + 1;
    }
    this.#keep(bytes, start, bytes.length);
  }

  /** The answer without its items, once all of it came. */
  end(): string {
    return Buffer.concat(this.#rest).toString("utf8");
  }

  get #isBetweenItems(): boolean {
    return this.#isInList && this.#depth === depthAroundItems;
  }

  #stepInText(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (byte === backslash) this.#isEscaped = true;
    else if (byte === quote) this.#isInText = false;
  }

  /** Keeps bytes with the item that they are part of, or with the rest; returns where the next part starts. */
  #keep(bytes: Buffer, start: number, end: number): number {
    const part = bytes.subarray(start, end);
    if (!this.#isInList || this.#depth <= depthAroundItems) this.#rest.push(part);
    else this.#keepItem(part);
    return end;
  }

  #keepItem(part: Buffer): void {
    this.#itemBytes += part.length;
    if (this.#itemBytes > this.#maxItemBytes) throw new RangeError("an object is too large");
    this.#item.push(part);
  }

  #endItem(bytes: Buffer, start: number, end: number): number {
    this.#keepItem(bytes.subarray(start, end));
    const [first] = this.#item;
    // Most items came in one piece: a copy of each would be most of the memory that a list takes.
    const whole = this.#item.length === 1 && first !== undefined ? first : Buffer.concat(this.#item);
    this.#item = [];
    this.#itemBytes = 0;
    this.#onItem(whole.toString("utf8"));
    return end;
  }
}
