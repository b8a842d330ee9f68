import type { ServerHttp2Stream } from "node:http2";
import { SluiceError } from "@sluice/core";
import { RequestBody } from "./request-body.ts";
import { sendTrailers, toHeaderObject } from "./http2-trailers.ts";
import type { BodyKeeper, BodySink, ClientListener, ClientSide } from "./client-side.ts";

/** The window that a stream has, and what of it is kept to be sent again. */
const maxKeptBytes = 1024 * 1024 + 64 * 1024;

/** A client of an HTTP/2 server of Node's: the app's own, where the sidecar runs inside its process. */
export class NodeHttp2Client implements ClientSide {
  readonly stream: ServerHttp2Stream;
  readonly maxKeptBytes = maxKeptBytes;
  bodyBytes = 0;
  readonly #replayBytes: number;
  #body: RequestBody | undefined;
  #isEnded = false;
  #listener: ClientListener | undefined;
  #onWritten: (() => void) | undefined;
  #trailers: readonly string[] = [];
  #requestTrailers: readonly string[] = [];

  /** `replayBytes`: a body of which no more than that was taken can be opened again. */
  constructor(stream: ServerHttp2Stream, replayBytes = 0) {
    this.stream = stream;
    this.#replayBytes = replayBytes;
    stream.on("trailers", (_headers, _flags, rawHeaders) => {
      this.#requestTrailers = rawHeaders;
    });
    // A stream that its peer reset reports that as an error; `close` says the same and is listened to.
    stream.on("error", () => undefined);
  }

  get isHeadSent(): boolean {
    return this.stream.headersSent;
  }

  /** Frames end a body, so more can be said until the end was, unless its length was. */
  get isOpenEnded(): boolean {
    return (
      this.stream.headersSent && !this.#isEnded && this.stream.sentHeaders["content-length"] === undefined
    );
  }

  get isFlushed(): boolean {
    return this.stream.writableLength === 0;
  }

  get isBodyTouched(): boolean {
    return this.#body?.isTouched === true;
  }

  listen(listener: ClientListener): void {
    this.#listener = listener;
    this.stream
      // Node ends the writable side of a stream that was reset, so that `writableFinished` says nothing.
      .on("close", () => listener.onClientClosed(this.#isEnded && !this.stream.aborted));
  }

  sendInformation(status: number, headers: string[]): void {
    if (this.#isGone || this.isHeadSent || status === 101) return;
    try {
      this.stream.additionalHeaders({ ...toHeaderObject(headers), ":status": status });
    } catch {
      // What HTTP/2 forbids in it is not worth the answer that is still to come.
    }
  }

  sendHead(status: number, headers: string[]): void {
    if (this.#isGone) return;
    // Trailers cost a frame of their own at the end; an answer of declared length has none in practice.
    const mayHaveTrailers = status !== 204 && status !== 304 && !hasLength(headers);
    this.stream.respond(toRawHeaders(status, headers), { waitForTrailers: mayHaveTrailers });
    if (mayHaveTrailers) this.stream.once("wantTrailers", () => sendTrailers(this.stream, this.#trailers));
  }

  /** A head is a frame of its own and was sent as one. */
  flushHead(): void {}

  write(chunk: Uint8Array): boolean {
    if (this.#isGone) return true;
    this.bodyBytes += chunk.length;
    this.#onWritten ??= () => {
      if (this.isFlushed) this.#listener?.onClientDrain();
    };
    return this.stream.write(chunk, this.#onWritten);
  }

  end(chunk?: Uint8Array | string, trailers?: string[]): void {
    this.#isEnded = true;
    this.#body?.drop();
    if (this.#isGone) return;
    if (trailers !== undefined) this.#trailers = trailers;
    if (chunk !== undefined) this.bodyBytes += chunk.length;
    if (typeof chunk === "string") this.stream.end(chunk, "latin1");
    else this.stream.end(chunk);
  }

  /** HTTP/2 says it for the whole connection, by GOAWAY. */
  closeAfterwards(): void {}

  /** A reset, sent at once: `close` would first end the body properly, and the client would take it for the whole. */
  destroy(): void {
    if (!this.stream.destroyed) this.stream.destroy(new SluiceError("upstream-reset"));
  }

  keepBody(keeper: BodyKeeper): void {
    this.#openBody().keep(maxKeptBytes, keeper);
  }

  sendBodyTo(sink: BodySink): void {
    this.#openBody().sendTo(sink);
  }

  resumeBody(): void {
    this.#body?.resume();
  }

  releaseBody(sink: BodySink): void {
    this.#body?.release(sink);
  }

  readTrailers(): readonly string[] {
    return this.#requestTrailers;
  }

  #openBody(): RequestBody {
    this.#body ??= new RequestBody(this.stream, this.#replayBytes);
    return this.#body;
  }

  get #isGone(): boolean {
    return this.stream.destroyed || this.stream.closed;
  }
}

function hasLength(headers: readonly string[]): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    if (name.length === 14 && name.toLowerCase() === "content-length") return true;
  }
  return false;
}

/** Names in lower case, as HTTP/2 demands (RFC 9113 §8.2.1). */
function toRawHeaders(status: number, headers: readonly string[]): string[] {
  const raw = [":status", String(status)];
  for (let index = 0; index < headers.length; index += 2) {
    raw.push((headers[index] ?? "").toLowerCase(), headers[index + 1] ?? "");
  }
  return raw;
}
