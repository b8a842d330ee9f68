/** Names and values in turn (RFC 7541 appendix A). */
const staticFields = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ["accept-language", ""],
  ["accept-ranges", ""],
  ["accept", ""],
  ["access-control-allow-origin", ""],
  ["age", ""],
  ["allow", ""],
  ["authorization", ""],
  ["cache-control", ""],
  ["content-disposition", ""],
  ["content-encoding", ""],
  ["content-language", ""],
  ["content-length", ""],
  ["content-location", ""],
  ["content-range", ""],
  ["content-type", ""],
  ["cookie", ""],
  ["date", ""],
  ["etag", ""],
  ["expect", ""],
  ["expires", ""],
  ["from", ""],
  ["host", ""],
  ["if-match", ""],
  ["if-modified-since", ""],
  ["if-none-match", ""],
  ["if-range", ""],
  ["if-unmodified-since", ""],
  ["last-modified", ""],
  ["link", ""],
  ["location", ""],
  ["max-forwards", ""],
  ["proxy-authenticate", ""],
  ["proxy-authorization", ""],
  ["range", ""],
  ["referer", ""],
  ["refresh", ""],
  ["retry-after", ""],
  ["server", ""],
  ["set-cookie", ""],
  ["strict-transport-security", ""],
  ["transfer-encoding", ""],
  ["user-agent", ""],
  ["vary", ""],
  ["via", ""],
  ["www-authenticate", ""],
] as const;

/** A field that HPACK can refer to by its number. */
export interface TableField {
  readonly name: string;
  readonly value: string;
  /** Why a message that has it is malformed; undefined when it may be sent. */
  readonly flaw: string | undefined;
}

/** Number 1 is at index 0. */
export const staticTable: readonly TableField[] = staticFields.map(([name, value]) => ({
  name,
  value,
  flaw: undefined,
}));

/** What a field counts for beyond its bytes (RFC 7541 §4.1). */
export const fieldOverhead = 32;

/** The size both sides of a connection start with, and the most that either of ours ever has. */
export const maxTableBytes = 4096;

const slots = maxTableBytes / fieldOverhead;

/** A decoder's dynamic table: what was added last is number 62 (RFC 7541 §2.3.2). */
export class HeaderTable {
  readonly #fields: (TableField | undefined)[] = [];
  /** Where the newest stands. */
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes = maxTableBytes;

  /** Undefined for a number that stands for nothing. */
  find(number: number): TableField | undefined {
    if (number <= staticTable.length) return staticTable[number - 1];
    const back = number - staticTable.length - 1;
    return back < this.#count ? this.#fields[(this.#newest - back + slots) % slots] : undefined;
  }

  add(field: TableField): void {
    const bytes = toFieldBytes(field);
    this.#evict(this.#maxBytes - bytes);
    // A field larger than the table empties it and is not kept (RFC 7541 §4.4).
    if (bytes > this.#maxBytes) return;
    this.#newest = (this.#newest + 1) % slots;
    this.#fields[this.#newest] = field;
    this.#count++;
    this.#bytes += bytes;
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evict(maxBytes);
  }

  #evict(maxBytes: number): void {
    while (this.#bytes > Math.max(0, maxBytes)) {
      const slot = (this.#newest - this.#count + 1 + slots) % slots;
      const oldest = this.#fields[slot];
      if (oldest === undefined) return;
      // Left there, 128 fields of 4 KiB each would stay with the connection.
      this.#fields[slot] = undefined;
      this.#bytes -= toFieldBytes(oldest);
      this.#count--;
    }
  }
}

function toFieldBytes({ name, value }: TableField): number {
  return name.length + value.length + fieldOverhead;
}
