const asciiEnd = 0x80;

/** A text that was read before, with its bytes: what repeats from message to message is decoded once. */
interface KnownText {
  text: string;
  /** Where its bytes are in the input. */
  start: number;
  length: number;
}

/**
 * A cursor over protobuf's wire format, for the one message family that arrives by the ten thousand a second. Every
 * method throws RangeError where the bytes end too early.
 */
export class StatReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #buffer: Buffer;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get position(): number {
    return this.#position;
  }

  get end(): number {
    return this.#bytes.length;
  }

  /** A field's tag, or a length: up to 32 bits. Longer encodings than that are an error. */
  readUint32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#readByte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < asciiEnd) return value;
    }
    throw new RangeError("a number is longer than 32 bits");
  }

  /** Exact up to 2^53, of either sign. */
  readInt64(): number {
    const start = this.#position;
    let value = 0;
    for (let shift = 0; shift < 63; shift += 7) {
      const byte = this.#readByte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < asciiEnd) return value;
    }
    this.#position = start;
    return this.#readNegative();
  }

  readDouble(): number {
    const value = this.#view.getFloat64(this.#position, true);
    this.#position += 8;
    return value;
  }

  /** A text; `known` is compared first and then holds this one. */
  readText(known: KnownText): string {
    const end = this.readMessageEnd();
    const start = this.#position;
    this.#position = end;
    const length = end - start;
    if (length === known.length && this.#isSame(start, known.start, length)) return known.text;
    known.text = this.#buffer.toString("utf8", start, end);
    known.start = start;
    known.length = length;
    return known.text;
  }

  /** Where the length-delimited message that starts here ends. A length beyond the bytes is an error, not a short read. */
  readMessageEnd(): number {
    const length = this.readUint32();
    if (length > this.#bytes.length - this.#position) {
      throw new RangeError("a message is longer than the bytes that hold it");
    }
    return this.#position + length;
  }

  /** The fields of a message fill it exactly; one that reaches beyond it is an error. */
  expectAt(end: number): void {
    if (this.#position !== end) throw new RangeError("a field reaches beyond its message");
  }

  /** Passes over the value of a field that nobody knows. */
  skip(wireType: number): void {
    if (wireType === 0) this.readInt64();
    else if (wireType === 1) this.#advance(8);
    else if (wireType === 2) this.#position = this.readMessageEnd();
    else if (wireType === 5) this.#advance(4);
    else throw new RangeError(`wire type ${wireType} is not known`);
  }

  /** Ten bytes of two's complement, which no honest sender has. */
  #readNegative(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) value |= BigInt(this.#readByte() & 0x7f) << shift;
    return Number(BigInt.asIntN(64, value));
  }

  #advance(bytes: number): void {
    if (bytes > this.#bytes.length - this.#position) throw new RangeError("the message ends too early");
    this.#position += bytes;
  }

  #readByte(): number {
    const byte = this.#bytes[this.#position++];
    if (byte === undefined) throw new RangeError("the message ends too early");
    return byte;
  }

  #isSame(one: number, other: number, length: number): boolean {
    const bytes = this.#bytes;
    for (let index = 0; index < length; index++) {
      if (bytes[one + index] !== bytes[other + index]) return false;
    }
    return true;
  }
}

export function createKnownText(): KnownText {
  return { text: "", start: 0, length: 0 };
}
