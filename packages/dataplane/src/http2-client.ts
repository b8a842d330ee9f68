import { BodyReplay } from "./body-replay.ts";
import type { BodyKeeper, BodySink, ClientListener, ClientSide } from "./client-side.ts";
import { errorCode } from "./http2/error-code.ts";
import type { Http2Stream, StreamHandler } from "./http2/stream.ts";
import { noPieces, PieceList } from "./piece-list.ts";

/** A client that came over HTTP/2: one stream of its connection. */
export class Http2Client implements ClientSide, StreamHandler {
  readonly stream: Http2Stream;
  readonly maxKeptBytes: number;
  bodyBytes = 0;
  isHeadSent = false;
  readonly #replay: BodyReplay | undefined;
  #listener: ClientListener | undefined;
  /** The head waits for what comes next, to end the stream with it when nothing does. */
  #waitingHead: readonly string[] | undefined;
  #waitingStatus = 0;
  #isEnded = false;
  #sink: BodySink | undefined;
  #keeper: BodyKeeper | undefined;
  /** What came and could not be handed over: there is no sink, or it has no room. */
  #waiting = noPieces;
  /** Bytes that were handed over and that the sink could not pass on at once. */
  #heldBytes = 0;
  #isHeldBack = false;
  #isEndHanded = false;
  #isTaken = false;
  #isBodyWhole = false;
  #trailers: readonly string[] = [];

  /** `replayBytes`: a body of which no more than that was taken can be sent again. */
  constructor(stream: Http2Stream, replayBytes: number) {
    this.stream = stream;
    this.maxKeptBytes = stream.connection.local.streamWindowBytes;
    this.#replay = replayBytes > 0 ? new BodyReplay(replayBytes) : undefined;
    stream.handler = this;
  }

  /** Frames end a body, so more can be said until the end was. */
  get isOpenEnded(): boolean {
    return this.isHeadSent && !this.#isEnded;
  }

  get isFlushed(): boolean {
    return this.stream.isFlushed;
  }

  get isBodyTouched(): boolean {
    return this.#isTaken && this.#replay?.isWhole !== true;
  }

  listen(listener: ClientListener): void {
    this.#listener = listener;
  }

  sendInformation(status: number, headers: string[]): void {
    // HTTP/2 has no 101 (RFC 9113 §8.6).
    if (!this.isHeadSent && status !== 101) this.stream.sendHead(toPseudoHeaders(status), headers, false);
  }

  sendHead(status: number, headers: string[]): void {
    this.isHeadSent = true;
    this.#replay?.drop();
    this.#waitingStatus = status;
    this.#waitingHead = headers;
  }

  flushHead(): void {
    this.#sendWaitingHead(false);
  }

  write(chunk: Uint8Array): boolean {
    this.#sendWaitingHead(false);
    this.bodyBytes += chunk.length;
    const mayGoOn = this.stream.write(chunk);
    if (!this.stream.isFlushed) this.stream.awaitFlush();
    return mayGoOn;
  }

  end(chunk?: Uint8Array | string, trailers?: string[]): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#dropWaiting();
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, "latin1") : chunk;
    const hasMore = trailers !== undefined || (bytes !== undefined && bytes.length > 0);
    this.#sendWaitingHead(!hasMore);
    this.bodyBytes += bytes?.length ?? 0;
    this.stream.end(bytes, trailers);
  }

  /** Ends the answer behind what was written by a reset without error, which says neither that it is whole nor that it is not. */
  endByReset(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#sendWaitingHead(false);
    this.stream.endByReset(errorCode.none);
  }

  /** HTTP/2 says it for the whole connection, by GOAWAY. */
  closeAfterwards(): void {}

  destroy(): void {
    this.stream.reset(errorCode.internal);
  }

  keepBody(keeper: BodyKeeper): void {
    if (this.#sink !== undefined) return;
    this.#keeper = keeper;
    if (this.#waiting.bytes > 0) keeper.onBodyKept(this.#waiting.bytes);
  }

  sendBodyTo(sink: BodySink): void {
    this.#sink = sink;
    this.#keeper = undefined;
    this.#isHeldBack = false;
    this.#isEndHanded = false;
    const taken = this.#isTaken ? this.#replay?.pieces : undefined;
    for (const piece of taken ?? []) this.#isHeldBack = !sink.onBody(piece);
    this.#handWaiting();
  }

  resumeBody(): void {
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.#isHeldBack = false;
    this.stream.consume(bytes);
    this.#handWaiting();
  }

  releaseBody(sink: BodySink): void {
    if (this.#sink !== sink) return;
    this.#sink = undefined;
    this.resumeBody();
    if (this.isBodyTouched) this.#dropWaiting();
  }

  readTrailers(): readonly string[] {
    return this.#trailers;
  }

  /** What a client sent came in memory of its own. */
  readonly isHolding = true;

  onHead(): void {}

  onData(chunk: Buffer, isEnd: boolean): void {
    if (isEnd) this.#isBodyWhole = true;
    if (chunk.length > 0) {
      if (this.#sink === undefined || this.#isHeldBack) this.#keep(chunk);
      else this.#hand(this.#sink, chunk);
    }
    if (isEnd) this.#handWaiting();
  }

  onTrailers(headers: string[]): void {
    this.#trailers = headers;
    this.#isBodyWhole = true;
    this.#handWaiting();
  }

  onDrain(): void {
    this.#listener?.onClientDrain();
  }

  onReset(): void {
    this.#waiting = noPieces;
    this.#listener?.onClientClosed(false);
  }

  #sendWaitingHead(isEnd: boolean): void {
    const headers = this.#waitingHead;
    if (headers === undefined) return;
    this.#waitingHead = undefined;
    this.stream.sendHead(toPseudoHeaders(this.#waitingStatus), headers, isEnd);
  }

  /** What waits, and then the end, as far as the sink has room. */
  #handWaiting(): void {
    for (let sink = this.#sink; sink !== undefined && !this.#isHeldBack; sink = this.#sink) {
      const piece = this.#waiting.shift();
      if (piece === undefined) {
        this.#handEnd(sink);
        return;
      }
      this.#hand(sink, piece);
    }
  }

  #hand(sink: BodySink, chunk: Uint8Array): void {
    this.#isTaken = true;
    this.#replay?.add(chunk);
    if (sink.onBody(chunk)) this.stream.consume(chunk.length);
    else {
      this.#heldBytes += chunk.length;
      this.#isHeldBack = true;
    }
  }

  #handEnd(sink: BodySink): void {
    if (!this.#isBodyWhole || this.#isEndHanded) return;
    this.#isEndHanded = true;
    sink.onBodyEnd();
  }

  /** The window bounds what waits: nothing of it is given back before somebody takes it. */
  #keep(chunk: Buffer): void {
    if (this.#isEnded || (this.#sink === undefined && this.isBodyTouched)) {
      this.stream.consume(chunk.length);
      return;
    }
    if (this.#waiting === noPieces) this.#waiting = new PieceList();
    this.#waiting.push(chunk);
    this.#keeper?.onBodyKept(chunk.length);
  }

  /** Nobody will want it. */
  #dropWaiting(): void {
    this.stream.consume(this.#waiting.bytes);
    this.#waiting = noPieces;
  }
}

const pseudoHeaders = new Map<number, readonly string[]>();

function toPseudoHeaders(status: number): readonly string[] {
  let known = pseudoHeaders.get(status);
  if (known === undefined) {
    known = [":status", String(status)];
    pseudoHeaders.set(status, known);
  }
  return known;
}
