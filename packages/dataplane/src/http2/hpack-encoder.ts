import { findNameFlaw, findValueFlaw } from "./field-rules.ts";
import { fieldOverhead, maxTableBytes, staticTable } from "./header-table.ts";
import { isUnindexed } from "./unindexed-names.ts";

/** What an encoder knows of one header name, by each spelling that it was asked for. */
interface KnownName {
  /** In lower case, as HTTP/2 demands (RFC 9113 §8.2.1). */
  readonly name: string;
  /** Of the first field of that name in the static table; 0 when there is none. */
  readonly staticNumber: number;
  /** Whole fields of the static table, by value. */
  readonly staticFields: ReadonlyMap<string, number> | undefined;
  /** Has been looked at and may be sent. */
  lastValue: string | undefined;
  /** The value that the dynamic table has, and the how-manieth field it was. */
  tableValue: string | undefined;
  tableOrder: number;
}

/** Names of clients' making must not add up. */
const maxKnownNames = 512;
/** A longer value is rarely said twice, and would push many short ones out. */
const maxIndexedChars = 256;

const staticNames = createStaticNames();

/** Room for what is being encoded; heads are copied out of it at once, so all connections share it. */
let scratch: Buffer = Buffer.alloc(8192);

/**
 * One direction of a connection's header compression (RFC 7541). A field goes into the dynamic table when it is said for the second
 * time in a row, so that what differs from message to message (paths, dates, ids) pushes nothing out. No Huffman code: it costs more
 * than the bytes it saves between processes that stand next to each other.
 */
export class HpackEncoder {
  readonly #known = new Map<string, KnownName>();
  /** Bytes of the fields in the table, the oldest first; `#oldest` is how many were dropped before. */
  #sizes: number[] = [];
  #oldest = 0;
  #added = 0;
  #tableBytes = 0;
  #maxTableBytes = maxTableBytes;
  /** The decoder has not been told of the table's size yet. */
  #isResized = false;
  /** The decoder must drop what it has: a block was begun that it never got. */
  #isCleared = false;
  #size = 0;

  /** The peer keeps so much; takes effect with the next block. */
  resize(maxBytes: number): void {
    const size = Math.min(maxBytes, maxTableBytes);
    if (size === this.#maxTableBytes) return;
    // Smaller and larger again between two blocks: the decoder has to hear of the smaller (RFC 7541 §4.2).
    if (this.#isResized) this.abandon();
    this.#maxTableBytes = size;
    this.#isResized = true;
    this.#evict(size);
  }

  begin(): void {
    this.#size = 0;
    if (this.#isCleared) this.#writeInteger(0x20, 5, 0);
    if (this.#isCleared || this.#isResized) this.#writeInteger(0x20, 5, this.#maxTableBytes);
    this.#isCleared = false;
    this.#isResized = false;
  }

  /** The block that was begun is not sent after all. */
  abandon(): void {
    this.#evict(0);
    this.#isCleared = true;
  }

  /** A name in any spelling. False for what no message may have: it is left out. */
  field(spelling: string, value: string): boolean {
    const known = this.#known.get(spelling) ?? this.#learn(spelling);
    if (known === undefined) return false;
    const number = known.staticFields?.get(value);
    if (number !== undefined) this.#writeInteger(0x80, 7, number);
    else if (known.tableValue === value && known.tableOrder >= this.#oldest) {
      this.#writeInteger(0x80, 7, staticTable.length + this.#added - known.tableOrder);
    } else return this.#writeLiteral(known, value);
    return true;
  }

  /** The block, valid until anything else is encoded. */
  finish(): Buffer {
    return scratch.subarray(0, this.#size);
  }

  #writeLiteral(known: KnownName, value: string): boolean {
    const isRepeated = known.lastValue === value;
    if (!isRepeated && findValueFlaw(value) !== undefined) return false;
    // What is not going into the table need not stay in memory either.
    known.lastValue = value.length <= maxIndexedChars ? value : undefined;
    const isSecret = isUnindexed(known.name);
    const isAdded = isRepeated && !isSecret && this.#add(known, value);
    if (isAdded) this.#writeInteger(0x40, 6, known.staticNumber);
    else this.#writeInteger(isSecret ? 0x10 : 0, 4, known.staticNumber);
    if (known.staticNumber === 0) this.#writeString(known.name);
    this.#writeString(value);
    return true;
  }

  /** Undefined for a name that no header may have. */
  #learn(spelling: string): KnownName | undefined {
    const name = spelling.toLowerCase();
    if (findNameFlaw(name) !== undefined) return undefined;
    const statics = staticNames.get(name);
    const known: KnownName = {
      name,
      staticNumber: statics?.number ?? 0,
      staticFields: statics?.fields,
      lastValue: undefined,
      tableValue: undefined,
      tableOrder: -1,
    };
    const isWorthIt = this.#known.size < maxKnownNames && spelling.length <= maxIndexedChars;
    if (isWorthIt) this.#known.set(spelling, known);
    return known;
  }

  #add(known: KnownName, value: string): boolean {
    const bytes = known.name.length + value.length + fieldOverhead;
    if (bytes > this.#maxTableBytes) return false;
    this.#evict(this.#maxTableBytes - bytes);
    known.tableValue = value;
    known.tableOrder = this.#added++;
    this.#sizes.push(bytes);
    this.#tableBytes += bytes;
    return true;
  }

  #evict(maxBytes: number): void {
    while (this.#tableBytes > maxBytes) {
      this.#tableBytes -= this.#sizes.shift() ?? 0;
      this.#oldest++;
    }
  }

  #reserve(bytes: number): void {
    if (this.#size + bytes <= scratch.length) return;
    const larger = Buffer.alloc(Math.max(2 * scratch.length, this.#size + bytes));
    scratch.copy(larger, 0, 0, this.#size);
    scratch = larger;
  }

  /** RFC 7541 §5.1. */
  #writeInteger(pattern: number, prefixBits: number, value: number): void {
    this.#reserve(8);
    const most = (1 << prefixBits) - 1;
    if (value < most) {
      scratch[this.#size++] = pattern | value;
      return;
    }
    scratch[this.#size++] = pattern | most;
    let rest = value - most;
    for (; rest >= 0x80; rest >>>= 7) scratch[this.#size++] = (rest & 0x7f) | 0x80;
    scratch[this.#size++] = rest;
  }

  #writeString(text: string): void {
    this.#writeInteger(0, 7, text.length);
    this.#reserve(text.length);
    // Below some twenty characters a loop is faster than a call into Node.
    if (text.length > 24) scratch.write(text, this.#size, "latin1");
    else for (let at = 0; at < text.length; at++) scratch[this.#size + at] = text.charCodeAt(at);
    this.#size += text.length;
  }
}

interface StaticName {
  readonly number: number;
  readonly fields: Map<string, number>;
}

function createStaticNames(): ReadonlyMap<string, StaticName> {
  const names = new Map<string, StaticName>();
  for (const [index, { name, value }] of staticTable.entries()) {
    const known = names.get(name) ?? { number: index + 1, fields: new Map<string, number>() };
    if (value !== "") known.fields.set(value, index + 1);
    names.set(name, known);
  }
  return names;
}
