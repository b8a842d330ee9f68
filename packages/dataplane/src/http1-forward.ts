import { SluiceError, type CancelTimer, type Clock } from "@sluice/core";
import type { BodySink, ClientSide } from "./client-side.ts";
import type { Forwarding, ForwardFailure, ForwardObserver } from "./forward.ts";
import { HeadFlusher, type PendingHead } from "./head-flusher.ts";
import { isIdempotent, toLastChunk, toRequestText, type Http1Request } from "./request-text.ts";
import type { ResponseHead } from "./response-head.ts";
import type { ConnectionUser, UpstreamConnection } from "./upstream-connection.ts";
import { toForwardFailure, toRefusal } from "./upstream-failure.ts";
import type { ConnectionWaiter, UpstreamPool } from "./upstream-pool.ts";

const heads = new HeadFlusher();

/** A last piece up to this is handed over as text, which is written together with the head and copied by that. */
const maxTextBytes = 4096;
/** A client that expects `100 Continue` is not left waiting for an app that never says it (RFC 9110 §10.1.1). */
const continueWaitMs = 1000;

/**
 * Who answers. An app is asked a second time where that is harmless and a kept connection went stale, as Go does. A sidecar
 * says itself what its app has not seen (`Sluice-Refused`), and nothing that it may have seen is sent twice.
 */
export type Answerer = "app" | "sidecar";

/**
 * One request over HTTP/1.1 to the app and its answer back to the client. The object is everything that hears of it, so a request
 * needs neither promise nor stream of its own.
 */
export class Http1Forward implements Forwarding, PendingHead, ConnectionUser, ConnectionWaiter, BodySink {
  readonly #client: ClientSide;
  readonly #observer: ForwardObserver;
  readonly #clock: Clock;
  readonly #answerer: Answerer;
  readonly #pool: UpstreamPool;
  readonly #request: Http1Request;
  requestBytes = 0;
  #connection: UpstreamConnection | undefined;
  #isBodySent = false;
  #cancelContinueWait: CancelTimer | undefined;
  #isDone = false;
  #isEnded = false;
  #isRetried = false;
  /** The head was handed over and nothing since. */
  #isHeadWaiting = false;

  constructor(
    client: ClientSide,
    observer: ForwardObserver,
    pool: UpstreamPool,
    request: Http1Request,
    clock: Clock,
    answerer: Answerer,
  ) {
    this.#client = client;
    this.#observer = observer;
    this.#pool = pool;
    this.#request = request;
    this.#clock = clock;
    this.#answerer = answerer;
  }

  start(): void {
    this.#pool.take(this);
  }

  /** Room for more is not enough: what the client still keeps lies in the buffer that is read into next. */
  resume(): void {
    if (this.#client.isFlushed) this.#connection?.resume();
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    const connection = this.#release();
    if (connection === undefined) this.#pool.leave(this);
    else connection.destroy();
  }

  onConnection(connection: UpstreamConnection): void {
    const request = this.#request;
    let text: string;
    try {
      text = toRequestText(request);
    } catch (error) {
      this.#pool.onReusable(connection);
      this.#finish({ error: toSluiceError(error), mayHaveReachedApp: false });
      return;
    }
    this.#connection = connection;
    connection.send(this, text, request.method === "HEAD", request.hasBody);
    if (!request.hasBody) return;
    if (request.head.expect === undefined) this.#sendBody();
    else {
      connection.flush();
      this.#cancelContinueWait = this.#clock.setTimer(() => this.#continue(), continueWaitMs);
    }
  }

  onConnectFailed(error: Error): void {
    if (!this.#isDone) this.#finish(toForwardFailure(error, false));
  }

  onInformation(head: ResponseHead): void {
    if (this.#isDone) return;
    if (head.status === 100) {
      if (this.#request.head.expect !== undefined) this.#continue();
      return;
    }
    this.#observer.onResponseProgress();
    this.#client.sendInformation(head.status, head.headers);
  }

  onHead(head: ResponseHead): void {
    if (this.#isDone) return;
    if (this.#answerer === "sidecar" && head.refused !== undefined) {
      this.#release()?.destroy();
      this.#finish(toRefusal(head.refused, this.#client.isBodyTouched));
      return;
    }
    this.#cancelContinueWait?.();
    this.#observer.onResponseProgress();
    this.#observer.onResponseHead(head.status, head.headers);
    try {
      this.#client.sendHead(head.status, head.headers, head.reason);
    } catch (error) {
      // What no client could read (HTTP/2 forbids more than HTTP/1.1) is the app's failure.
      this.#release()?.destroy();
      this.#finish(toForwardFailure(toError(error), true));
      return;
    }
    this.#isHeadWaiting = true;
    heads.add(this);
  }

  flushIfWaiting(): void {
    if (!this.#isHeadWaiting || this.#isDone) return;
    this.#isHeadWaiting = false;
    this.#client.flushHead();
  }

  onData(piece: Buffer, isLast: boolean): boolean {
    if (this.#isDone) return false;
    this.#observer.onResponseProgress();
    this.#isHeadWaiting = false;
    const client = this.#client;
    // The last piece of a body of known length ends the answer with it: one write to the socket instead of two.
    if (isLast) this.#isEnded = true;
    if (isLast && piece.length <= maxTextBytes) {
      client.end(piece.toString("latin1"));
      return false;
    }
    if (isLast) client.end(piece);
    else client.write(piece);
    return !client.isFlushed;
  }

  onComplete(trailers: string[] | undefined): void {
    if (this.#isDone) return;
    this.#connection = undefined;
    if (!this.#isEnded) this.#client.end(undefined, trailers);
    this.#finish(undefined);
  }

  onDrain(): void {
    this.#client.resumeBody();
  }

  onBody(chunk: Uint8Array): boolean {
    const connection = this.#connection;
    this.requestBytes += chunk.length;
    if (connection === undefined) return true;
    return this.#isChunked ? connection.writeChunk(chunk) : connection.write(chunk);
  }

  onBodyEnd(): void {
    if (this.#isChunked) this.#connection?.write(toLastChunk(this.#client.readTrailers()));
    this.#connection?.endRequest();
  }

  /** A connection that was kept may be closed by the app just as we send: then the request goes once more, on one that works. */
  onLost(error: Error, hasBegun: boolean): void {
    if (this.#isDone) return;
    const connection = this.#release();
    const { method, hasBody } = this.#request;
    const isStale = connection?.mayBeStale === true && !hasBegun && !this.#isRetried;
    if (isStale && this.#answerer === "app" && !hasBody && isIdempotent(method)) {
      this.#isRetried = true;
      this.#pool.takeNew(this);
      return;
    }
    this.#finish(toForwardFailure(error, true));
  }

  get #isChunked(): boolean {
    return this.#request.head.contentLength === undefined;
  }

  #continue(): void {
    this.#cancelContinueWait?.();
    const connection = this.#connection;
    if (this.#isDone || this.#isBodySent || connection === undefined) return;
    this.#client.sendInformation(100, []);
    this.#sendBody();
  }

  #sendBody(): void {
    this.#isBodySent = true;
    this.#client.sendBodyTo(this);
  }

  #finish(failure: ForwardFailure | undefined): void {
    this.#isDone = true;
    this.#release();
    this.#observer.onForwarded(failure);
  }

  /** Lets go of everything that could still speak. */
  #release(): UpstreamConnection | undefined {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#cancelContinueWait?.();
    this.#client.releaseBody(this);
    return connection;
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new TypeError(String(error));
}

function toSluiceError(error: unknown): SluiceError {
  return error instanceof SluiceError ? error : new SluiceError("internal", undefined, { cause: error });
}
