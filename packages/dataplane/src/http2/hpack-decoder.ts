import { ConnectionFault, errorCode } from "./error-code.ts";
import { findNameFlaw, findValueFlaw } from "./field-rules.ts";
import { HeaderTable, maxTableBytes, staticTable, type TableField } from "./header-table.ts";
import { decodeHuffman, maxDecodedBytes } from "./huffman.ts";
import { markUnindexed } from "./unindexed-names.ts";

/** Takes the fields of one block in their order. */
export interface FieldSink {
  /** `flaw`: why the field makes its message malformed. */
  onField(name: string, value: string, flaw: string | undefined): void;
}

/** Five bytes behind the prefix hold any length that is allowed; more would only be an attempt to overflow. */
const maxIntegerShift = 28;

let scratch: Buffer = Buffer.alloc(4096);

/** One direction of a connection's header compression (RFC 7541). Every block must go through it, also one that nobody wants. */
export class HpackDecoder {
  readonly #table = new HeaderTable();
  #bytes: Buffer = scratch;
  #at = 0;
  #to = 0;

  /** Throws `ConnectionFault` when the two sides can no longer understand each other. */
  decode(bytes: Buffer, from: number, to: number, sink: FieldSink): void {
    this.#bytes = bytes;
    this.#at = from;
    this.#to = to;
    this.#takeSizeUpdates();
    while (this.#at < to) {
      const first = bytes[this.#at] ?? 0;
      const field = first >= 0x80 ? this.#readIndexed() : this.#readLiteral(first);
      sink.onField(field.name, field.value, field.flaw);
    }
  }

  /** They stand at the beginning of a block, two at most (RFC 7541 §4.2). */
  #takeSizeUpdates(): void {
    for (let count = 0; this.#at < this.#to && ((this.#bytes[this.#at] ?? 0) & 0xe0) === 0x20; count++) {
      const size = this.#readInteger(5);
      if (count === 2 || size > maxTableBytes) throw fault("table size update");
      this.#table.resize(size);
    }
  }

  #readIndexed(): TableField {
    return this.#find(this.#readInteger(7));
  }

  #readLiteral(first: number): TableField {
    if ((first & 0xe0) === 0x20) throw fault("late table size update");
    const isAdded = first >= 0x40;
    const nameNumber = this.#readInteger(isAdded ? 6 : 4);
    const known = nameNumber === 0 ? undefined : this.#find(nameNumber);
    const name = known === undefined ? this.#readString() : known.name;
    const nameFlaw = known === undefined ? findNameFlaw(name) : toNameFlaw(known, nameNumber);
    const value = this.#readString();
    const field = { name, value, flaw: nameFlaw ?? findValueFlaw(value) };
    if (isAdded) this.#table.add(field);
    else if ((first & 0x10) !== 0) markUnindexed(name);
    return field;
  }

  #find(number: number): TableField {
    const field = this.#table.find(number);
    if (field === undefined) throw fault("number of no field");
    return field;
  }

  /** RFC 7541 §5.1. */
  #readInteger(prefixBits: number): number {
    const most = (1 << prefixBits) - 1;
    let value = (this.#bytes[this.#at++] ?? 0) & most;
    if (value < most) return value;
    for (let shift = 0; shift <= maxIntegerShift; shift += 7) {
      if (this.#at >= this.#to) throw fault("block cut short");
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw fault("number too large");
  }

  /** RFC 7541 §5.2. Each byte becomes the character of its number. */
  #readString(): string {
    if (this.#at >= this.#to) throw fault("block cut short");
    const isHuffman = (this.#bytes[this.#at] ?? 0) >= 0x80;
    const length = this.#readInteger(7);
    const from = this.#at;
    const to = from + length;
    if (to > this.#to) throw fault("string beyond its block");
    this.#at = to;
    if (!isHuffman) return this.#bytes.toString("latin1", from, to);
    const most = maxDecodedBytes(length);
    if (scratch.length < most) scratch = Buffer.alloc(most);
    return scratch.toString("latin1", 0, decodeHuffman(this.#bytes, from, to, scratch));
  }
}

/** A name from a table was looked at when it came in. */
function toNameFlaw({ name, flaw }: TableField, number: number): string | undefined {
  return number <= staticTable.length || flaw === undefined ? undefined : findNameFlaw(name);
}

function fault(message: string): ConnectionFault {
  return new ConnectionFault(errorCode.compression, message);
}
