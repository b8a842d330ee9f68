import { ConnectionFault, errorCode } from "./error-code.ts";
import { defaultMaxFrameBytes, frameFlag } from "./frame.ts";

/** A head that came in several frames, until it is whole. No other frame may come between (RFC 9113 §6.10). */
export class HeaderBlock {
  readonly stream: number;
  readonly isEnd: boolean;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(stream: number, isEnd: boolean) {
    this.stream = stream;
    this.isEnd = isEnd;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /**
   * Keeps one more part. Throws for a block that goes on without end (CVE-2024-27316): it would have to be decoded for the sake of
   * those behind it, however large it is.
   */
  add(bytes: Buffer, from: number, to: number, maxBytes: number): void {
    this.#bytes += to - from;
    const hasTooManyParts = this.#parts.length > 2 * Math.ceil(maxBytes / defaultMaxFrameBytes);
    if (this.#bytes > maxBytes || hasTooManyParts) {
      throw new ConnectionFault(errorCode.enhanceYourCalm, "endless header block");
    }
    // A copy, so that a few bytes do not keep a whole read of the socket in memory.
    this.#parts.push(Buffer.from(bytes.subarray(from, to)));
  }
}

/** Where the fragment of a HEADERS frame begins and ends, behind padding length and priority (RFC 9113 §6.2). */
export function findFragment(
  flags: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): { from: number; to: number } {
  const isPadded = (flags & frameFlag.padded) !== 0;
  const before = (isPadded ? 1 : 0) + ((flags & frameFlag.priority) === 0 ? 0 : priorityBytes);
  if (to - from < before) throw new ConnectionFault(errorCode.frameSize, "HEADERS cut short");
  const padding = isPadded ? (bytes[from] ?? 0) : 0;
  if (padding > to - from - before) throw new ConnectionFault(errorCode.protocol, "more padding than frame");
  return { from: from + before, to: to - padding };
}

export const priorityBytes = 5;
