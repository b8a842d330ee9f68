import type { Duplex } from "node:stream";
import { frameFlag, frameHeadBytes, frameType, writeFrameHead, writeUint32 } from "./frame.ts";

/** A page that was filled is followed by one twice as large, up to the largest. */
const firstPageBytes = 512;
const maxPageBytes = 16 * 1024;
/** A shorter piece of a body is copied behind its frame's head; a longer one goes to the socket as it is. */
const maxCopiedBytes = 2048;
/** What one turn may gather before it is written at once. */
const maxGatheredBytes = 256 * 1024;

/** Has something to write at the end of this turn of the event loop. */
interface Flushable {
  flush(): void;
}

const noBytes = new Uint8Array(0);

let waiting: Flushable[] = [];

/** Writes now what everybody gathered, before this turn of the event loop ends. */
export function flushWaiting(): void {
  const writers = waiting;
  waiting = [];
  for (const writer of writers) writer.flush();
}

/**
 * Gathers the frames of one turn of the event loop, whoever made them, and writes them at once: a proxy's frames come in bunches, as
 * what one read from the other side brought.
 */
export class FrameWriter {
  readonly #socket: Duplex;
  /** Nothing runs on the connection: a page would only cost memory. */
  isIdle = true;
  #page: Buffer | undefined;
  #pageBytes = firstPageBytes;
  #from = 0;
  #to = 0;
  /** What comes before the page's bytes. */
  #parts: Uint8Array[] = [];
  #gatheredBytes = 0;
  #isScheduled = false;
  #isBlocked = false;

  #reportsFlush = false;
  readonly #onFlushed: () => void;

  constructor(socket: Duplex, onFlushed: () => void) {
    this.#socket = socket;
    this.#onFlushed = onFlushed;
  }

  /** The socket wants no more for now: bodies wait until it does. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Nothing that was handed over is kept by reference. */
  get isFlushed(): boolean {
    return this.#parts.length === 0 && this.#socket.writableLength === 0;
  }

  /** `onFlushed` is called when everything that was handed over is with the system. */
  reportFlush(): void {
    this.#reportsFlush = true;
    if (!this.#isScheduled) this.#schedule();
  }

  unblock(): void {
    this.#isBlocked = false;
  }

  bytes(bytes: Uint8Array): void {
    this.#copy(bytes, 0, bytes.length);
  }

  /** A frame with a short payload. */
  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    this.#head(payload.length, type, flags, stream);
    this.#copy(payload, 0, payload.length);
  }

  /** A frame whose payload is one number. */
  numberFrame(type: number, stream: number, value: number): void {
    this.#head(4, type, 0, stream);
    const page = this.#reserve(4);
    writeUint32(page, this.#to, value);
    this.#to += 4;
  }

  /** HEADERS, and as much CONTINUATION as the block needs. */
  headers(stream: number, block: Uint8Array, isEnd: boolean, maxFrameBytes: number): void {
    const flags = isEnd ? frameFlag.endStream : 0;
    for (let from = 0, type: number = frameType.headers; ; type = frameType.continuation) {
      const to = Math.min(block.length, from + maxFrameBytes);
      const last = to === block.length ? frameFlag.endHeaders : 0;
      this.#head(to - from, type, (type === frameType.headers ? flags : 0) | last, stream);
      this.#copy(block, from, to);
      if (last !== 0) return;
      from = to;
    }
  }

  data(stream: number, chunk: Uint8Array, from: number, to: number, isEnd: boolean): void {
    this.#head(to - from, frameType.data, isEnd ? frameFlag.endStream : 0, stream);
    if (to - from <= maxCopiedBytes) this.#copy(chunk, from, to);
    else this.#pass(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to));
  }

  /** Writes what was gathered. */
  flush(): void {
    this.#isScheduled = false;
    this.#closePage();
    if (this.isIdle) this.#dropPage();
    const parts = this.#parts;
    if (parts.length === 0 && !this.#reportsFlush) return;
    this.#parts = [];
    this.#gatheredBytes = 0;
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#write(parts);
    // Asked of the socket: a flush that only has to be reported writes nothing, and must not open what is blocked.
    this.#isBlocked = this.#socket.writableNeedDrain;
  }

  #write(parts: readonly Uint8Array[]): void {
    const onWritten = this.#reportsFlush ? this.#onWritten : undefined;
    const [first] = parts;
    if (parts.length === 1 && first !== undefined) {
      this.#socket.write(first, onWritten);
      return;
    }
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    // The callback of an empty last write comes when all before it are with the system.
    if (onWritten !== undefined) this.#socket.write(noBytes, onWritten);
    this.#socket.uncork();
  }

  readonly #onWritten = (): void => {
    if (!this.isFlushed) return;
    this.#reportsFlush = false;
    this.#onFlushed();
  };

  #head(length: number, type: number, flags: number, stream: number): void {
    if (this.#gatheredBytes > maxGatheredBytes) this.flush();
    if (!this.#isScheduled) this.#schedule();
    const page = this.#reserve(frameHeadBytes);
    writeFrameHead(page, this.#to, length, type, flags, stream);
    this.#to += frameHeadBytes;
    this.#gatheredBytes += frameHeadBytes + length;
  }

  #schedule(): void {
    this.#isScheduled = true;
    if (waiting.push(this) === 1) setImmediate(flushWaiting);
  }

  #copy(bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    if (length === 0) return;
    const page = this.#reserve(length);
    if (length > 32) page.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), this.#to);
    else for (let at = 0; at < length; at++) page[this.#to + at] = bytes[from + at] ?? 0;
    this.#to += length;
  }

  #pass(chunk: Uint8Array): void {
    this.#closePage();
    this.#parts.push(chunk);
  }

  /** Pages are only ever written forward, so bytes that the socket still holds are never overwritten. */
  #reserve(bytes: number): Buffer {
    if (this.#page !== undefined && this.#page.length - this.#to >= bytes) return this.#page;
    this.#closePage();
    this.#page = Buffer.allocUnsafeSlow(Math.max(this.#pageBytes, bytes));
    this.#pageBytes = Math.min(maxPageBytes, 2 * this.#pageBytes);
    this.#from = 0;
    this.#to = 0;
    return this.#page;
  }

  #dropPage(): void {
    this.#page = undefined;
    this.#pageBytes = firstPageBytes;
    this.#from = 0;
    this.#to = 0;
  }

  #closePage(): void {
    if (this.#page === undefined || this.#to === this.#from) return;
    this.#parts.push(this.#page.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}
