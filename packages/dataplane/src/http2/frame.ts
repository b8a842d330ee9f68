/** RFC 9113 §6. Types that are not listed are ignored (§5.5). */
export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** ACK and END_STREAM are the same bit, of different frames. */
export const frameFlag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const frameHeadBytes = 9;

/** What every peer takes and nobody may be sent more than without asking (RFC 9113 §4.2). */
export const defaultMaxFrameBytes = 16_384;

/** No window, stream number or increment is larger (RFC 9113 §6.9.1). */
export const maxUint31 = 0x7fff_ffff;

/** How every HTTP/2 connection begins (RFC 9113 §3.4). */
export const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** A 32-bit number, the highest byte first. */
export function readUint32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  return (high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

export function readUint31(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) & maxUint31;
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Writes the nine bytes before a frame's payload. */
export function writeFrameHead(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  writeUint32(bytes, at + 5, stream);
}
