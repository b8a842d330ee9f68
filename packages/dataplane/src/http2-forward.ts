import { SluiceError } from "@sluice/core";
import type { BodySink, ClientSide } from "./client-side.ts";
import type { ForwardFailure, Forwarding, ForwardObserver, ForwardRequest } from "./forward.ts";
import type { Answerer } from "./http1-forward.ts";
import { Http2Client } from "./http2-client.ts";
import type { Http2Connection, RequestFields } from "./http2/connection.ts";
import { errorCode } from "./http2/error-code.ts";
import type { FieldSection } from "./http2/field-section.ts";
import type { Http2Stream, StreamHandler } from "./http2/stream.ts";
import type { Http2Pool, Http2Waiter } from "./http2-pool.ts";
import { toRequestTrailers, type RequestHead } from "./request-head.ts";
import { isIdempotent } from "./request-text.ts";
import { toEndToEnd, toEndToEndTrailers } from "./response-fields.ts";
import { toForwardFailure, toRefusal } from "./upstream-failure.ts";

/** What goes to an app over HTTP/2. */
export interface Http2Request extends ForwardRequest {
  readonly head: RequestHead;
}

/** What the app refuses without looking at it is sent again so often; */
const maxAttempts = 3;
/** and so often when it refused because it ended the connection: the next goes to a new one. */
const maxConnectionsLost = 20;

/** HTTP/2 to the app, by prior knowledge: gRPC, streams in both directions, trailers, resets. */
export class Http2Forward implements Forwarding, StreamHandler, Http2Waiter, BodySink {
  readonly #client: ClientSide;
  readonly #observer: ForwardObserver;
  readonly #pool: Http2Pool;
  readonly #request: Http2Request;
  readonly #answerer: Answerer;
  requestBytes = 0;
  #stream: Http2Stream | undefined;
  #attempt = 0;
  /** Bytes of the answer that the client could not take at once. */
  #heldBytes = 0;
  /** Bytes that a `content-length` still promises; negative when the end is not known beforehand. */
  #remaining = -1;
  #isAnswered = false;
  /** Something of an answer has come. */
  #hasBegun = false;
  #isDone = false;

  constructor(
    client: ClientSide,
    observer: ForwardObserver,
    pool: Http2Pool,
    request: Http2Request,
    answerer: Answerer,
  ) {
    this.#client = client;
    this.#observer = observer;
    this.#pool = pool;
    this.#request = request;
    this.#answerer = answerer;
  }

  start(): void {
    this.#attempt++;
    this.#pool.take(this);
  }

  resume(): void {
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.#stream?.consume(bytes);
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    if (this.#stream === undefined) this.#pool.leave(this);
    this.#release(errorCode.cancel);
  }

  onConnection(connection: Http2Connection): void {
    const { hasBody, head } = this.#request;
    const stream = connection.request(toFields(this.#request, this.#pool.authority), !hasBody, this);
    if (stream === undefined) {
      const error = new SluiceError("bad-request", "a header that HTTP/2 does not allow");
      this.#finish({ error, mayHaveReachedApp: false });
      return;
    }
    stream.hasNoBody = this.#request.method === "HEAD";
    this.#stream = stream;
    if (!hasBody) return;
    // There is a connection to the app, so the body may come (RFC 9110 §10.1.1).
    if (head.expect !== undefined) this.#client.sendInformation(100, []);
    this.#client.sendBodyTo(this);
  }

  onConnectFailed(error: Error): void {
    if (!this.#isDone) this.#finish(toForwardFailure(error, false));
  }

  onHead(section: FieldSection, isEnd: boolean): void {
    const status = Number(section.status);
    this.#hasBegun = true;
    if (status < 200) {
      this.#observer.onResponseProgress();
      this.#client.sendInformation(status, toEndToEnd(section).headers);
      return;
    }
    const { headers, refused } = toEndToEnd(section);
    if (this.#answerer === "sidecar" && refused !== undefined) {
      this.#finish(toRefusal(refused, this.#client.isBodyTouched));
      return;
    }
    this.#observer.onResponseProgress();
    this.#remaining = section.contentLength;
    this.#observer.onResponseHead(status, headers);
    try {
      this.#client.sendHead(status, headers);
      // A head that ends its stream is passed on as one: gRPC's errors without a body are that, and nothing else.
      if (isEnd) this.#client.end();
      else this.#client.flushHead();
    } catch (error) {
      // Node refuses to send what no client could read.
      this.#finish(toForwardFailure(toError(error), true));
      return;
    }
    if (isEnd) this.#finish(undefined);
  }

  onData(chunk: Buffer, isEnd: boolean): void {
    this.#observer.onResponseProgress();
    this.#remaining -= chunk.length;
    // The last piece of a body of known length ends the answer with it: one frame instead of two.
    if (!this.#isAnswered && (isEnd || this.#remaining === 0)) {
      this.#isAnswered = true;
      this.#client.end(chunk.length === 0 ? undefined : chunk);
    } else if (chunk.length > 0) this.#passOn(chunk);
    if (isEnd) this.#finish(undefined);
  }

  onTrailers(headers: string[]): void {
    if (!this.#isAnswered) this.#client.end(undefined, toEndToEndTrailers(headers));
    this.#finish(undefined);
  }

  get isHolding(): boolean {
    return !this.#client.isFlushed;
  }

  onDrain(): void {
    this.#client.resumeBody();
  }

  onReset(code: number, flaw?: string): void {
    if (this.#isDone || (code === errorCode.none && flaw === undefined && this.#endAsApp())) return;
    const isUnseen = code === errorCode.refusedStream && flaw === undefined && !this.#client.isBodyTouched;
    // A pod that refuses leaves the choice of the next to who chose it.
    if (this.#answerer === "app" && (isUnseen ? this.#mayAskAgain() : this.#isStale())) {
      this.#release(errorCode.cancel);
      this.start();
    } else this.#finish(toResetFailure(code, flaw, isUnseen));
  }

  onBody(chunk: Uint8Array): boolean {
    this.requestBytes += chunk.length;
    return this.#stream?.write(chunk) ?? true;
  }

  onBodyEnd(): void {
    const trailers = toRequestTrailers(this.#client.readTrailers());
    this.#stream?.end(undefined, trailers.length === 0 ? undefined : trailers);
  }

  #mayAskAgain(): boolean {
    const isLeaving = this.#stream?.connection.isLeaving === true;
    return this.#attempt < (isLeaving ? maxConnectionsLost : maxAttempts);
  }

  /**
   * A connection that served others was closed without a word before anything of the answer came: as over HTTP/1.1, what is harmless to
   * do twice goes once more, on another.
   */
  #isStale(): boolean {
    const { method, hasBody } = this.#request;
    const stream = this.#stream;
    const isLost = stream?.connection.isClosed === true && stream.id > 1 && !this.#hasBegun;
    return isLost && this.#attempt === 1 && !hasBody && isIdempotent(method);
  }

  /**
   * An app on Node that had all of its answer ready may end it by a reset without error in place of END_STREAM; its clients take that
   * for the end, but it also is how such an app breaks off. The client gets what it would get without us, behind all that came.
   */
  #endAsApp(): boolean {
    const client = this.#client;
    if (!(client instanceof Http2Client) || !client.isHeadSent || this.#remaining > 0) return false;
    client.endByReset();
    this.#finish(undefined);
    return true;
  }

  /** What the client cannot take now is given back to the app's window later, so that the app waits for the client. */
  #passOn(chunk: Buffer): void {
    if (this.#client.write(chunk)) this.#stream?.consume(chunk.length);
    else this.#heldBytes += chunk.length;
  }

  #finish(failure: ForwardFailure | undefined): void {
    this.#isDone = true;
    this.#release(failure === undefined ? errorCode.none : errorCode.cancel);
    this.#observer.onForwarded(failure);
  }

  /** Lets go of both sides. An app that has answered without wanting all of the request is not sent the rest. */
  #release(code: number): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#client.releaseBody(this);
    if (stream?.isRemoteEnded !== true || !stream.isLocalEnded) stream?.reset(code);
  }
}

/** REFUSED_STREAM promises that nothing was processed (RFC 9113 §8.7). */
function toResetFailure(code: number, flaw: string | undefined, isUnseen: boolean): ForwardFailure {
  if (flaw !== undefined)
    return { error: new SluiceError("upstream-invalid", flaw), mayHaveReachedApp: true };
  const error = new SluiceError(
    isUnseen ? "upstream-connect" : "upstream-reset",
    `stream closed, code ${code}`,
  );
  return { error, mayHaveReachedApp: !isUnseen };
}

/** A request that names no host is for the target, as with Go. */
function toFields({ method, path, headers, head }: Http2Request, target: string): RequestFields {
  return { method, path, authority: findHost(headers) || target, headers, trailer: head.trailer };
}

/** Ours stands behind all others. */
function findHost(headers: readonly string[]): string {
  for (let index = headers.length - 2; index >= 0; index -= 2) {
    const name = headers[index] ?? "";
    if (name.length === 4 && name.toLowerCase() === "host") return headers[index + 1] ?? "";
  }
  return "";
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new TypeError(String(error));
}
