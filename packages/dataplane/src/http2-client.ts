import { BodyReplay } from "./body-replay.ts";
import type { BodyKeeper, BodySink, ClientListener, ClientSide } from "./client-side.ts";
import { errorCode } from "./http2/error-code.ts";
import type { Http2Stream, StreamHandler } from "./http2/stream.ts";

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
  /** What came and nobody has asked for. */
  #early: Buffer[] = [];
  /** Bytes that were handed over and that the sink could not pass on at once. */
  #heldBytes = 0;
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
    this.#early = [];
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
    for (const chunk of this.#early) keeper.onBodyKept(chunk.length);
  }

  sendBodyTo(sink: BodySink): void {
    const taken = this.#isTaken ? (this.#replay?.chunks ?? []) : [];
    const early = this.#early;
    this.#early = [];
    this.#sink = sink;
    this.#keeper = undefined;
    for (const chunk of taken) sink.onBody(chunk);
    for (const chunk of early) this.#hand(sink, chunk);
    if (this.#isBodyWhole && this.#sink === sink) sink.onBodyEnd();
  }

  resumeBody(): void {
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.stream.consume(bytes);
  }

  releaseBody(sink: BodySink): void {
    if (this.#sink !== sink) return;
    this.#sink = undefined;
    this.resumeBody();
  }

  readTrailers(): readonly string[] {
    return this.#trailers;
  }

  /** What a client sent came in memory of its own. */
  readonly isHolding = true;

  onHead(): void {}

  onData(chunk: Buffer, isEnd: boolean): void {
    if (isEnd) this.#isBodyWhole = true;
    const sink = this.#sink;
    if (sink === undefined) this.#keep(chunk);
    else if (chunk.length > 0) this.#hand(sink, chunk);
    if (isEnd) this.#sink?.onBodyEnd();
  }

  onTrailers(headers: string[]): void {
    this.#trailers = headers;
    this.#isBodyWhole = true;
    this.#sink?.onBodyEnd();
  }

  onDrain(): void {
    this.#listener?.onClientDrain();
  }

  onReset(): void {
    this.#early = [];
    this.#listener?.onClientClosed(false);
  }

  #sendWaitingHead(isEnd: boolean): void {
    const headers = this.#waitingHead;
    if (headers === undefined) return;
    this.#waitingHead = undefined;
    this.stream.sendHead(toPseudoHeaders(this.#waitingStatus), headers, isEnd);
  }

  #hand(sink: BodySink, chunk: Buffer): void {
    this.#isTaken = true;
    this.#replay?.add(chunk);
    if (sink.onBody(chunk)) this.stream.consume(chunk.length);
    else this.#heldBytes += chunk.length;
  }

  /** The window bounds what waits: nothing of it is given back before somebody takes it. */
  #keep(chunk: Buffer): void {
    if (this.#isEnded || this.isBodyTouched) this.stream.consume(chunk.length);
    else if (chunk.length > 0) {
      this.#early.push(chunk);
      this.#keeper?.onBodyKept(chunk.length);
    }
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
