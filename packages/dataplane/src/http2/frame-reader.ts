import { ConnectionFault, errorCode } from "./error-code.ts";
import { defaultMaxFrameBytes, frameFlag, frameHeadBytes, frameType, readUint31 } from "./frame.ts";

/** Hears a connection's frames in their order. Throws a `ConnectionFault` for what may not go on. */
export interface FrameReceiver {
  /** Nothing more is wanted: what was received behind the frame at hand is dropped. */
  readonly isClosed: boolean;
  /** Any frame but DATA, whole. */
  onFrame(type: number, flags: number, stream: number, bytes: Buffer, from: number, to: number): void;
  /** A DATA frame begins. `length` counts against the windows; `dataBytes` of it are no padding and follow. */
  onDataHead(stream: number, length: number, dataBytes: number): void;
  /** A piece of DATA, as it comes. `isEnd`: the last of its stream. */
  onData(stream: number, chunk: Buffer, isEnd: boolean): void;
}

const empty = Buffer.alloc(0);

/**
 * Cuts what a socket gives into frames. DATA is handed on piece by piece and never kept; any other frame is kept until it is whole,
 * which its size limit bounds.
 */
export class FrameReader {
  readonly #receiver: FrameReceiver;
  /** The beginning of a frame. */
  #rest: Buffer = empty;
  #dataStream = 0;
  #dataLeft = 0;
  #paddingLeft = 0;
  #isDataEnd = false;
  #isInData = false;

  constructor(receiver: FrameReceiver) {
    this.#receiver = receiver;
  }

  /** A frame other than DATA has begun and is not whole yet. */
  get isWaiting(): boolean {
    return this.#rest.length > 0;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = empty;
    let at = 0;
    while (at < bytes.length && !this.#receiver.isClosed) {
      const next = this.#isInData ? this.#takeData(bytes, at) : this.#takeFrame(bytes, at);
      if (next === at) {
        // A copy: the memory may be read into again, and a few bytes must not keep all of it.
        this.#rest = Buffer.from(bytes.subarray(at));
        return;
      }
      at = next;
    }
  }

  /** Where the next frame begins; `at` when this one is not whole. */
  #takeFrame(bytes: Buffer, at: number): number {
    if (bytes.length - at < frameHeadBytes) return at;
    const length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    if (length > defaultMaxFrameBytes) throw new ConnectionFault(errorCode.frameSize, "frame too large");
    const type = bytes[at + 3] ?? 0;
    const flags = bytes[at + 4] ?? 0;
    const stream = readUint31(bytes, at + 5);
    const from = at + frameHeadBytes;
    if (type === frameType.data) return this.#beginData(bytes, at, length, flags, stream);
    if (bytes.length - from < length) return at;
    this.#receiver.onFrame(type, flags, stream, bytes, from, from + length);
    return from + length;
  }

  #beginData(bytes: Buffer, at: number, length: number, flags: number, stream: number): number {
    let from = at + frameHeadBytes;
    let padding = 0;
    let padLengthBytes = 0;
    if ((flags & frameFlag.padded) !== 0) {
      if (length === 0) throw new ConnectionFault(errorCode.frameSize, "padded frame without padding length");
      if (from === bytes.length) return at;
      padding = bytes[from] ?? 0;
      padLengthBytes = 1;
      from++;
      if (padding >= length) throw new ConnectionFault(errorCode.protocol, "more padding than frame");
    }
    const dataBytes = length - padLengthBytes - padding;
    this.#receiver.onDataHead(stream, length, dataBytes);
    this.#dataStream = stream;
    this.#dataLeft = dataBytes;
    this.#paddingLeft = padding;
    this.#isDataEnd = (flags & frameFlag.endStream) !== 0;
    this.#isInData = true;
    return this.#takeData(bytes, from);
  }

  /** Padding is dropped. */
  #takeData(bytes: Buffer, at: number): number {
    const to = Math.min(bytes.length, at + this.#dataLeft);
    this.#dataLeft -= to - at;
    const padding = this.#dataLeft === 0 ? Math.min(this.#paddingLeft, bytes.length - to) : 0;
    this.#paddingLeft -= padding;
    const isWhole = this.#dataLeft === 0 && this.#paddingLeft === 0;
    this.#isInData = !isWhole;
    if (to > at || isWhole) {
      this.#receiver.onData(this.#dataStream, bytes.subarray(at, to), isWhole && this.#isDataEnd);
    }
    return to + padding;
  }
}
