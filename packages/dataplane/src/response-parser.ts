import { SluiceError } from "@sluice/core";
import { ChunkedBody, type ChunkConsumer } from "./chunked-body.ts";
import { readResponseHead, type ResponseHead } from "./response-head.ts";

/** Takes a response in its parts. Bytes are views of the buffer that was read, and only lent. */
export interface ResponseConsumer {
  /** A 1xx; the final head is still to come. */
  onInformation(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
  /** `isLast`: the declared length ends with this. */
  onData(piece: Buffer, isLast: boolean): void;
  /** `mayReuse`: the connection stands right behind the response, and both sides keep it. */
  onComplete(trailers: string[] | undefined, mayReuse: boolean): void;
}

/** Most heads are shorter than this, so no more is decoded in search of the end of one. */
const usualHeadBytes = 1024;
const blankLine = "\r\n\r\n";

type State = "idle" | "head" | "length" | "chunked" | "until-close";

/**
 * Reads HTTP/1.1 responses off one connection, one at a time and strictly: whatever could be read in two ways throws
 * `upstream-invalid`, and the connection is not to be used again.
 */
export class ResponseParser implements ChunkConsumer {
  readonly #consumer: ResponseConsumer;
  readonly #maxHeadBytes: number;
  readonly #isStopped = (): boolean => this.#state === "idle";
  #state: State = "idle";
  #isBodiless = false;
  #keepsAlive = false;
  #remaining = 0;
  #chunked: ChunkedBody | undefined;
  /** The beginning of a head that came in pieces. */
  #headText = "";
  /** What the heads of this response may still take: interim ones count, as nothing else bounds how many there are. */
  #headBytesLeft = 0;
  #hasBegun = false;

  constructor(consumer: ResponseConsumer, maxHeadBytes: number) {
    this.#consumer = consumer;
    this.#maxHeadBytes = maxHeadBytes;
  }

  /** Something of the present response has been read. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** A request is about to be sent; `isBodiless`: whatever its answer says, no body follows (`HEAD`). */
  begin(isBodiless: boolean): void {
    this.#state = "head";
    this.#isBodiless = isBodiless;
    this.#hasBegun = false;
    this.#headText = "";
    this.#headBytesLeft = this.#maxHeadBytes;
  }

  /** Nobody wants the rest. */
  stop(): void {
    this.#state = "idle";
  }

  /** Reads the first `length` bytes. Throws for what is no response, and for bytes that nobody asked for. */
  execute(bytes: Buffer, length: number): void {
    let at = 0;
    this.#hasBegun = true;
    while (at < length) {
      if (this.#state === "head") at = this.#readHead(bytes, at, length);
      else if (this.#state === "length") at = this.#readLength(bytes, at, length);
      else if (this.#state === "chunked") at = this.#readChunked(bytes, at, length);
      else if (this.#state === "until-close") {
        this.#consumer.onData(bytes.subarray(at, length), false);
        return;
      } else throw new SluiceError("upstream-invalid", "bytes that nobody asked for");
      // Completed, with a request behind it perhaps: what is left over was reported with it.
      if (this.#isStopped() || !this.#hasBegun) return;
    }
  }

  /** The app closed the connection. True when that was the response's proper end. */
  finish(): boolean {
    if (this.#state !== "until-close") return false;
    this.#complete(undefined, false);
    return true;
  }

  onChunkData(piece: Buffer): void {
    this.#consumer.onData(piece, false);
  }

  #readHead(bytes: Buffer, start: number, end: number): number {
    const before = this.#headText.length;
    let text = this.#headText + bytes.toString("latin1", start, Math.min(end, start + usualHeadBytes));
    let blank = text.indexOf(blankLine);
    if (blank === -1 && start + usualHeadBytes < end) {
      text = this.#headText + bytes.toString("latin1", start, Math.min(end, start + this.#maxHeadBytes));
      blank = text.indexOf(blankLine);
    }
    const left = this.#headBytesLeft;
    if (blank === -1 ? text.length >= left : blank > left) {
      throw new SluiceError("upstream-invalid", "the response's head is too large");
    }
    if (blank === -1) {
      this.#headText = text;
      return end;
    }
    this.#headText = "";
    this.#headBytesLeft -= blank;
    const at = start + blank + blankLine.length - before;
    this.#takeHead(readResponseHead(text.slice(0, blank)), at < end);
    return at;
  }

  #takeHead(head: ResponseHead, hasMore: boolean): void {
    if (head.status < 200) {
      if (head.status === 101) throw new SluiceError("upstream-invalid", "an upgrade that nobody asked for");
      this.#consumer.onInformation(head);
      return;
    }
    const { status, contentLength, isChunked } = head;
    const hasNoBody = this.#isBodiless || status === 204 || status === 304 || contentLength === 0;
    const isUntilClose = !hasNoBody && !isChunked && contentLength === -1;
    this.#keepsAlive = head.keepsAlive && !isUntilClose;
    if (isUntilClose) this.#state = "until-close";
    else if (isChunked) {
      this.#state = "chunked";
      this.#chunked = new ChunkedBody();
    } else {
      this.#state = "length";
      this.#remaining = contentLength;
    }
    // Only a body in chunks can have trailers (RFC 9112 §7.1.2), so only there is their announcement worth passing on.
    if (isChunked && !hasNoBody && head.trailer !== undefined) head.headers.push("Trailer", head.trailer);
    this.#consumer.onHead(head);
    if (hasNoBody && !this.#isStopped()) this.#complete(undefined, !hasMore);
  }

  #readLength(bytes: Buffer, start: number, end: number): number {
    const pieceEnd = Math.min(end, start + this.#remaining);
    this.#remaining -= pieceEnd - start;
    const isLast = this.#remaining === 0;
    this.#consumer.onData(bytes.subarray(start, pieceEnd), isLast);
    if (isLast && !this.#isStopped()) this.#complete(undefined, pieceEnd === end);
    return pieceEnd;
  }

  #readChunked(bytes: Buffer, start: number, end: number): number {
    const chunked = this.#chunked;
    if (chunked === undefined) return end;
    const at = chunked.read(bytes, start, end, this, this.#isStopped);
    if (chunked.isDone) this.#complete(chunked.trailers, at === end);
    return at;
  }

  #complete(trailers: string[] | undefined, isClean: boolean): void {
    this.#state = "idle";
    this.#chunked = undefined;
    this.#consumer.onComplete(trailers, isClean && this.#keepsAlive);
  }
}
