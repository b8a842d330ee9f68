/** WebSocket's "going away" (RFC 6455 §7.4.1). */
const goingAway = Buffer.from([0x03, 0xe9]);
const closeOpcode = 0x88;

/** A close frame from server to client: unmasked. */
export const closeForClient: Buffer = Buffer.concat([
  Buffer.from([closeOpcode, goingAway.length]),
  goingAway,
]);

/** A close frame from client to server: masked, with a mask of zeros, which changes nothing and is allowed (RFC 6455 §5.3 asks for chance only against hostile scripts). */
export const closeForApp: Buffer = Buffer.concat([
  Buffer.from([closeOpcode, 0x80 | goingAway.length, 0, 0, 0, 0]),
  goingAway,
]);

/**
 * Follows WebSocket frames in a byte stream, so that a frame of our own goes between two and never into one. Payloads are
 * only counted, not read.
 */
export class FrameTracker {
  readonly #head: number[] = [];
  #payloadLeft = 0;

  /** Nothing of a frame is under way. */
  get isBetweenFrames(): boolean {
    return this.#head.length === 0 && this.#payloadLeft === 0;
  }

  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, chunk.length - offset);
        this.#payloadLeft -= taken;
        offset += taken;
        continue;
      }
      this.#head.push(chunk[offset++] ?? 0);
      const length = readPayloadLength(this.#head);
      if (length === undefined) continue;
      this.#payloadLeft = length;
      this.#head.length = 0;
    }
  }
}

/** The payload's length once the frame's head is whole (RFC 6455 §5.2). */
function readPayloadLength(head: readonly number[]): number | undefined {
  const [, second] = head;
  if (second === undefined) return undefined;
  const short = second & 0x7f;
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const maskBytes = (second & 0x80) === 0 ? 0 : 4;
  if (head.length < 2 + lengthBytes + maskBytes) return undefined;
  if (lengthBytes === 0) return short;
  return head.slice(2, 2 + lengthBytes).reduce((length, byte) => length * 256 + byte, 0);
}
