import { noPieces, PieceList } from "../piece-list.ts";
import type { FieldSection } from "./field-section.ts";
import { maxUint31 } from "./frame.ts";
import { ReceiveWindow } from "./receive-window.ts";
import type { Http2Connection } from "./connection.ts";

/** Whoever reads a stream. */
export interface StreamHandler {
  /** An answer's head, a 1xx included; only on streams that we opened. */
  onHead(section: FieldSection, isEnd: boolean): void;
  /** Give the bytes back with `consume` once they are passed on: until then the peer may send only so many more. */
  onData(chunk: Buffer, isEnd: boolean): void;
  /** Names and values in turn. Nothing comes after them. */
  onTrailers(headers: string[]): void;
  /** Some of what came is kept by reference, so that its memory may not be used anew. */
  readonly isHolding: boolean;
  /** More can be written. */
  onDrain(): void;
  /**
   * The stream ended before both sides had said all: by the peer's reset, by the end of the connection, or because of what the peer
   * said on it, which is `flaw`. Called once, last.
   */
  onReset(code: number, flaw?: string): void;
}

/** A body that waits beyond this holds back who writes it, until less than a quarter of it is left. */
const maxQueuedBytes = 64 * 1024;

/** One request and its answer (RFC 9113 §5). */
export class Http2Stream {
  readonly id: number;
  readonly connection: Http2Connection;
  handler: StreamHandler | undefined;
  /** The answer to HEAD, 204 and 304 announce a length and have no body. */
  hasNoBody = false;
  isClosed = false;
  isQueued = false;
  /** What the peer's heads may still take: interim answers count, as nothing else bounds how many there are. */
  headBytesLeft: number;
  #isAwaitingFlush = false;
  isRemoteEnded = false;
  /** END_STREAM was written. */
  isLocalEnded = false;
  /** Nothing more will be written behind what is queued. */
  #isEndQueued = false;
  #trailers: readonly string[] | undefined;
  /** What ends the stream in place of END_STREAM; -1 for that. */
  #resetCode = -1;
  #queue = noPieces;
  #queuedBytes = 0;
  /** Of the first in the queue, so much is sent. */
  #sentOfFirst = 0;
  #isDrainWanted = false;
  /** What was queued when somebody last looked whether it moves. */
  #queuedBefore = -1;
  #sendWindow: number;
  readonly #receiveWindow: ReceiveWindow;
  /** Received and not given back. */
  #owedBytes = 0;
  #bodyLeft = -1;
  #hasHead = false;

  constructor(id: number, connection: Http2Connection, sendWindow: number) {
    this.id = id;
    this.connection = connection;
    this.headBytesLeft = connection.local.maxHeaderListBytes;
    this.#sendWindow = sendWindow;
    this.#receiveWindow = new ReceiveWindow(connection.local.streamWindowBytes);
  }

  /** Everything was said, and none of it has gone since the last time that this was asked: the peer does not want it. */
  isStalled(): boolean {
    const isWaiting = this.#isEndQueued && this.#queuedBytes > 0;
    const isStalled = isWaiting && this.#queuedBytes === this.#queuedBefore;
    this.#queuedBefore = isWaiting ? this.#queuedBytes : -1;
    return isStalled;
  }

  /** Nothing that was written is kept here by reference. */
  get isFlushed(): boolean {
    return this.#queuedBytes === 0 && this.connection.isFlushed;
  }

  /** The handler's `onDrain` is called when that is so. */
  awaitFlush(): void {
    if (this.isClosed || this.#isAwaitingFlush) return;
    this.#isAwaitingFlush = true;
    // What a window keeps here is asked for when it goes.
    if (this.#queuedBytes === 0) this.connection.awaitFlush(this);
  }

  /** Only for the connection: its socket has taken everything. */
  onFlushed(): void {
    if (this.isClosed || !this.#isAwaitingFlush || this.#queuedBytes > 0) return;
    this.#isAwaitingFlush = false;
    this.handler?.onDrain();
  }

  /** The final head has come; what comes in a head now are trailers. */
  get hasHead(): boolean {
    return this.#hasHead;
  }

  /** Names and values in turn. What no message may have is left out. */
  sendHead(pseudoHeaders: readonly string[], headers: readonly string[], isEnd: boolean): void {
    if (this.isClosed || this.#isEndQueued) return;
    this.connection.writeHead(this.id, pseudoHeaders, headers, isEnd);
    if (isEnd) this.markEnded();
  }

  /** END_STREAM was written with the head. */
  markEnded(): void {
    this.#isEndQueued = true;
    this.#endLocally();
  }

  /** False asks to wait for `onDrain`. */
  write(chunk: Uint8Array): boolean {
    if (this.isClosed || this.#isEndQueued || chunk.length === 0) return true;
    if (!this.#sendAtOnce(chunk, false)) this.#enqueue(chunk);
    this.#isDrainWanted = this.#queuedBytes > maxQueuedBytes;
    return !this.#isDrainWanted;
  }

  end(chunk?: Uint8Array, trailers?: readonly string[]): void {
    if (this.isClosed || this.#isEndQueued) return;
    this.#isEndQueued = true;
    this.#trailers = trailers;
    const last = chunk ?? noBytes;
    if (trailers === undefined && this.#sendAtOnce(last, true)) return;
    if (last.length > 0 && !this.#sendAtOnce(last, false)) this.#enqueue(last);
    if (this.#queuedBytes === 0) this.#sendEnd();
  }

  /** Ends the stream by a reset, behind what was written. */
  endByReset(code: number): void {
    if (this.isClosed || this.#isEndQueued) return;
    this.#isEndQueued = true;
    this.#resetCode = code;
    if (this.#queuedBytes === 0) this.reset(code);
  }

  /** Ends the stream at once, whatever is still to come from either side. The handler hears nothing more. */
  reset(code: number): void {
    if (!this.isClosed) this.connection.resetStream(this, code);
  }

  /** So many bytes of what came have been passed on. */
  consume(bytes: number): void {
    if (this.isClosed || bytes === 0) return;
    this.#owedBytes -= bytes;
    this.connection.credit(bytes);
    const increment = this.isRemoteEnded ? 0 : this.#receiveWindow.give(bytes);
    if (increment > 0) this.connection.writeWindowUpdate(this.id, increment);
  }

  /** Sends one frame of what waits; false when nothing more of it can go for now. */
  sendNext(): boolean {
    const { first } = this.#queue;
    if (first === undefined) return false;
    const from = this.#sentOfFirst;
    const size = Math.min(first.length - from, this.connection.maxDataBytes, this.#sendWindow);
    if (size <= 0) return false;
    this.#sentOfFirst += size;
    this.#queuedBytes -= size;
    const isLast =
      this.#queuedBytes === 0 && this.#isEndQueued && this.#trailers === undefined && this.#resetCode < 0;
    if (this.#sentOfFirst === first.length) {
      this.#queue.shift();
      this.#sentOfFirst = 0;
    }
    this.#sendData(first, from, from + size, isLast);
    if (this.#queuedBytes === 0 && this.#isAwaitingFlush) this.connection.awaitFlush(this);
    if (this.#queuedBytes === 0 && this.#isEndQueued && !isLast) this.#sendEnd();
    else if (this.#isDrainWanted && this.#queuedBytes <= maxQueuedBytes / 4) {
      this.#isDrainWanted = false;
      this.handler?.onDrain();
    }
    return this.#queuedBytes > 0 && !this.isClosed;
  }

  /** False when the peer adds up to more than there may be. */
  widen(bytes: number): boolean {
    this.#sendWindow += bytes;
    if (this.#queuedBytes > 0 && this.#sendWindow > 0) this.connection.sendQueue.add(this);
    return this.#sendWindow <= maxUint31;
  }

  /** A head that begins the message. Returns why that is malformed, if it is. */
  receiveHead(section: FieldSection, isEnd: boolean): string | undefined {
    if (section.flaw !== undefined) return section.flaw;
    // A request that is too large gets an answer; an answer that is too large is of no use.
    if (section.isTooLarge && section.kind === "response") return "larger headers than allowed";
    if (section.status?.startsWith("1") === true) {
      this.headBytesLeft = section.bytesLeft;
      return isEnd ? "a 1xx answer that ends the stream" : undefined;
    }
    this.#hasHead = true;
    this.isRemoteEnded = isEnd;
    const isBodiless = this.hasNoBody || section.status === "204" || section.status === "304";
    this.#bodyLeft = isBodiless ? 0 : section.contentLength;
    return isEnd && this.#bodyLeft > 0 ? "a content-length and no body" : undefined;
  }

  /** A DATA frame begins; false when there was no room for it. */
  receiveDataHead(length: number, dataBytes: number): boolean {
    this.#owedBytes += length;
    if (!this.#receiveWindow.take(length)) return false;
    this.consume(length - dataBytes);
    return true;
  }

  /** Returns why the message is malformed, if it is. */
  receiveData(bytes: number, isEnd: boolean): string | undefined {
    if (!this.#hasHead) return "a body without a head";
    this.isRemoteEnded = isEnd;
    if (this.#bodyLeft < 0) return undefined;
    this.#bodyLeft -= bytes;
    if (this.#bodyLeft < 0) return "more body than content-length says";
    return isEnd ? this.#findMissing() : undefined;
  }

  /** Returns why the message is malformed, if it is. */
  receiveTrailers(section: FieldSection, isEnd: boolean): string | undefined {
    if (section.flaw !== undefined) return section.flaw;
    if (!isEnd) return "headers in the middle of a body";
    if (section.isTooLarge) return "larger trailers than allowed";
    this.isRemoteEnded = true;
    return this.#findMissing();
  }

  /** Only for the connection: the stream is no more. Returns the bytes that are to be given back to the connection. */
  close(): number {
    this.isClosed = true;
    this.#queue = noPieces;
    this.#queuedBytes = 0;
    return this.#owedBytes;
  }

  #findMissing(): string | undefined {
    return this.#bodyLeft > 0 ? "less body than content-length says" : undefined;
  }

  /** Whether all of it went. */
  #sendAtOnce(chunk: Uint8Array, isEnd: boolean): boolean {
    const size = chunk.length;
    if (this.#queuedBytes > 0) return false;
    if (size > 0 && (!this.connection.sendQueue.canSend || size > this.#sendWindow)) return false;
    if (size > this.connection.maxDataBytes) return false;
    this.#sendData(chunk, 0, size, isEnd);
    return true;
  }

  #sendData(chunk: Uint8Array, from: number, to: number, isEnd: boolean): void {
    this.#sendWindow -= to - from;
    this.connection.writeData(this.id, chunk, from, to, isEnd);
    if (isEnd) this.#endLocally();
  }

  #enqueue(chunk: Uint8Array): void {
    if (this.#queue === noPieces) this.#queue = new PieceList();
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
    this.connection.sendQueue.add(this);
  }

  #sendEnd(): void {
    if (this.#resetCode >= 0) {
      this.reset(this.#resetCode);
      return;
    }
    if (this.#trailers === undefined) {
      this.#sendData(noBytes, 0, 0, true);
      return;
    }
    this.connection.writeHead(this.id, [], this.#trailers, true);
    this.#endLocally();
  }

  #endLocally(): void {
    this.isLocalEnded = true;
    this.connection.onLocalEnd(this);
  }
}

const noBytes = new Uint8Array(0);
