import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import type { Readable } from "node:stream";
import { SluiceError, headerNames } from "@sluice/core";
import type { ClientSide } from "./client-side.ts";
import { sendTrailers } from "./http2-trailers.ts";
import { toRequestTrailers } from "./request-head.ts";
import { toRefusal } from "./upstream-failure.ts";
import type { ForwardFailure, Forwarding, ForwardObserver, ForwardRequest } from "./forward.ts";
import type { Http2Sessions, SharedSession } from "./http2-sessions.ts";
import { toResponseHeaders, toTrailers } from "./response-headers.ts";
import { toForwardFailure } from "./upstream-failure.ts";
import type { Target } from "./upstream-connection.ts";

/** RFC 9113 §7. */
const errorCode = { none: 0, refusedStream: 7, cancel: 8 } as const;

/** HTTP/2 to the app, by prior knowledge: gRPC, streams in both directions, trailers, resets. */
export class Http2Forward implements Forwarding {
  readonly #client: ClientSide;
  readonly #observer: ForwardObserver;
  readonly #sessions: Http2Sessions;
  readonly #honoursRefusal: boolean;
  #shared: SharedSession | undefined;
  #stream: ClientHttp2Stream | undefined;
  #body: Readable | undefined;
  #trailers: IncomingHttpHeaders = {};
  #isDone = false;
  #isEnded = false;
  /** Bytes that a `content-length` still promises; negative when the end is not known beforehand. */
  #remaining = -1;

  constructor(
    client: ClientSide,
    observer: ForwardObserver,
    sessions: Http2Sessions,
    honoursRefusal: boolean,
  ) {
    this.#client = client;
    this.#observer = observer;
    this.#sessions = sessions;
    this.#honoursRefusal = honoursRefusal;
  }

  /** `hasTrailers`: the request announced some. */
  start(target: Target, request: ForwardRequest, hasTrailers: boolean): void {
    const shared = this.#sessions.acquire(target);
    this.#shared = shared;
    let stream: ClientHttp2Stream;
    try {
      stream = shared.session.request(toRawHeaders(request), {
        endStream: !request.hasBody,
        waitForTrailers: hasTrailers,
      });
    } catch (error) {
      this.#finish(toStartFailure(shared, toError(error)));
      return;
    }
    this.#stream = stream;
    stream
      .on("headers", (headers) => this.#onInformation(headers))
      .on("response", (headers) => this.#onResponse(headers))
      .on("data", (chunk: Buffer) => this.#onData(chunk))
      .on("trailers", (headers) => {
        this.#trailers = headers;
      })
      .on("end", () => this.#onEnd())
      .on("error", (error) => this.#fail(error))
      .on("close", () => this.#onClose(stream));
    if (hasTrailers)
      stream.on("wantTrailers", () => sendTrailers(stream, toRequestTrailers(this.#client.readTrailers())));
    if (request.hasBody) this.#sendBody(stream);
  }

  resume(): void {
    this.#stream?.resume();
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#release();
    this.#stream?.close(errorCode.cancel);
  }

  #sendBody(stream: ClientHttp2Stream): void {
    const body = this.#client.openBody();
    this.#body = body;
    body
      .on("data", (chunk: Buffer) => {
        if (!stream.writable) return;
        if (!stream.write(chunk)) body.pause();
      })
      .on("end", () => stream.end());
    stream.on("drain", () => body.resume());
  }

  #onInformation(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    if (this.#isDone) return;
    this.#observer.onResponseProgress();
    this.#client.sendInformation(headers[":status"] ?? 103, toResponseHeaders(headers));
  }

  #onResponse(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    if (this.#isDone) return;
    const refusal = headers[headerNames.refused];
    if (this.#honoursRefusal && refusal !== undefined) {
      this.#finish(toRefusal(refusal, this.#client.isBodyTouched));
      this.#stream?.resume();
      return;
    }
    this.#observer.onResponseProgress();
    const status = headers[":status"] ?? 502;
    const flat = toResponseHeaders(headers);
    const length = headers["content-length"];
    this.#remaining = length === undefined ? -1 : Number(length);
    this.#observer.onResponseHead(status, flat);
    try {
      this.#client.sendHead(status, flat);
    } catch (error) {
      // Node refuses to send what no client could read.
      this.#stream?.close(errorCode.cancel);
      this.#finish(toForwardFailure(toError(error), true));
    }
  }

  #onData(chunk: Buffer): void {
    if (this.#isDone) return;
    this.#observer.onResponseProgress();
    this.#remaining -= chunk.length;
    // The last piece of a body of known length ends the answer with it: one frame instead of two.
    if (this.#remaining === 0) {
      this.#isEnded = true;
      this.#client.end(chunk);
      return;
    }
    if (!this.#client.write(chunk)) this.#stream?.pause();
  }

  #onEnd(): void {
    // A reset stream also ends; then `close` tells what happened.
    if (this.#isDone || !this.#client.isHeadSent || (this.#stream?.rstCode ?? 0) !== 0) return;
    if (!this.#isEnded) this.#client.end(undefined, toTrailers(this.#trailers));
    this.#finish(undefined);
  }

  #onClose(stream: ClientHttp2Stream): void {
    if (this.#isDone) return;
    const code = stream.rstCode;
    // REFUSED_STREAM promises that nothing was processed (RFC 9113 §8.7).
    const wasRefused = code === errorCode.refusedStream && !this.#client.isBodyTouched;
    const isSent = this.#isSent && !wasRefused;
    const error = new SluiceError(
      isSent ? "upstream-reset" : "upstream-connect",
      `stream closed, code ${code}`,
    );
    this.#finish({ error, mayHaveReachedApp: isSent });
  }

  #fail(error: Error): void {
    if (this.#isDone) return;
    // The reset's own code arrives with `close`.
    if ("code" in error && error.code === "ERR_HTTP2_STREAM_ERROR") return;
    this.#finish(toForwardFailure(error, this.#isSent));
  }

  get #isSent(): boolean {
    const { isConnected = false, lastStream = 0 } = this.#shared ?? {};
    return isConnected && (this.#stream?.id ?? 0) <= lastStream;
  }

  #finish(failure: ForwardFailure | undefined): void {
    this.#isDone = true;
    this.#release();
    // An app that answered without wanting the body: nobody takes the rest any more.
    if (failure !== undefined || this.#stream?.writableEnded === false) this.#body?.resume();
    if (failure === undefined && this.#stream?.writableEnded === false) {
      this.#stream.close(errorCode.none);
    }
    this.#observer.onForwarded(failure);
  }

  #release(): void {
    if (this.#shared !== undefined) this.#sessions.release(this.#shared);
    this.#shared = undefined;
  }
}

/** Node refused to send it: because the connection is gone, else because of what HTTP/2 does not allow in a request. */
function toStartFailure({ session }: SharedSession, cause: Error): ForwardFailure {
  if (session.closed || session.destroyed) return toForwardFailure(cause, false);
  return { error: new SluiceError("bad-request", cause.message, { cause }), mayHaveReachedApp: false };
}

function toRawHeaders(request: ForwardRequest): string[] {
  const raw = [":method", request.method, ":scheme", "http", ":path", request.path];
  for (let index = 0; index < request.headers.length; index += 2) {
    const name = (request.headers[index] ?? "").toLowerCase();
    raw.push(name === "host" ? ":authority" : name, request.headers[index + 1] ?? "");
  }
  return raw;
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new TypeError(String(error));
}
