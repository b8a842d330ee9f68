import type { IncomingMessage, ServerResponse } from "node:http";
import type { BodyKeeper, BodySink, ClientListener, ClientSide } from "./client-side.ts";
import { RequestBody } from "./request-body.ts";

/**
 * A reason phrase that Node sends. Any other is left out: it means nothing (RFC 9112 §4), and Node would remember it and refuse the
 * error answer as well.
 */
const reasonPattern = /^[\t\x20-\x7e\x80-\xff]+$/;

/** What is kept to be sent again, and what Node reads before it notices that nobody wants more. */
const maxKeptBytes = 128 * 1024;

/** A client that came over HTTP/1.1. */
export class Http1Client implements ClientSide {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly maxKeptBytes = maxKeptBytes;
  bodyBytes = 0;
  readonly #replayBytes: number;
  #body: RequestBody | undefined;
  #listener: ClientListener | undefined;
  #onWritten: (() => void) | undefined;

  /** `replayBytes`: a body of which no more than that was taken can be opened again. */
  constructor(request: IncomingMessage, response: ServerResponse, replayBytes = 0) {
    this.request = request;
    this.response = response;
    this.#replayBytes = replayBytes;
  }

  get isHeadSent(): boolean {
    return this.response.headersSent;
  }

  get isOpenEnded(): boolean {
    return this.response.headersSent && this.response.chunkedEncoding && !this.response.writableEnded;
  }

  get isFlushed(): boolean {
    return this.response.writableLength === 0;
  }

  get isBodyTouched(): boolean {
    return this.#body?.isTouched === true;
  }

  listen(listener: ClientListener): void {
    this.#listener = listener;
    this.response.on("close", () => listener.onClientClosed(this.response.writableFinished));
  }

  sendInformation(status: number, headers: string[]): void {
    // HTTP/1.0 has no interim answers (RFC 9110 §15.2).
    if (this.request.httpVersionMinor === 0 || this.isHeadSent) return;
    try {
      // Node closes the connection after an answer to an expectation that it did not see being met.
      if (status === 100) this.response.writeContinue();
      else this.response.writeInformation(status, headers);
    } catch {
      // What Node refuses to send in it is not worth the answer that is still to come.
    }
  }

  sendHead(status: number, headers: string[], statusMessage?: string): void {
    const { response, request } = this;
    // Persistence is what HTTP/1.1 means without a word; only HTTP/1.0 needs to be told.
    if (response.shouldKeepAlive && request.httpVersionMinor === 1) response.removeHeader("connection");
    const reason = statusMessage !== undefined && reasonPattern.test(statusMessage) ? statusMessage : "";
    try {
      this.#writeHead(status, reason, headers);
    } catch (error) {
      if (!isTrailerRefused(error)) throw error;
      this.#writeHead(status, reason, withoutTrailer(headers));
    }
  }

  flushHead(): void {
    this.response.flushHeaders();
  }

  write(chunk: Uint8Array): boolean {
    this.bodyBytes += chunk.length;
    this.#onWritten ??= () => {
      if (this.isFlushed) this.#listener?.onClientDrain();
    };
    return this.response.write(chunk, this.#onWritten);
  }

  end(chunk?: Uint8Array | string, trailers?: string[]): void {
    const { response } = this;
    this.#body?.drop();
    if (trailers !== undefined) response.addTrailers(toPairs(trailers));
    if (chunk === undefined) {
      response.end();
      return;
    }
    this.bodyBytes += chunk.length;
    // Node joins a text with the head and writes both at once; bytes it would write as a second buffer.
    if (typeof chunk === "string") response.end(chunk, "latin1");
    else response.end(chunk);
  }

  closeAfterwards(): void {
    this.response.shouldKeepAlive = false;
  }

  destroy(): void {
    this.response.destroy();
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
    return this.request.rawTrailers;
  }

  #writeHead(status: number, reason: string, headers: string[]): void {
    const { response } = this;
    if (reason !== "") {
      response.writeHead(status, reason, headers);
      return;
    }
    // Node would keep the one of a head that it refused before.
    response.statusMessage = "";
    response.writeHead(status, headers);
  }

  #openBody(): RequestBody {
    this.#body ??= new RequestBody(this.request, this.#replayBytes);
    return this.#body;
  }
}

/** An answer without chunks (to HEAD, to HTTP/1.0, with a length) cannot have the trailers that it announces. */
function isTrailerRefused(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_HTTP_TRAILER_INVALID";
}

function withoutTrailer(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    if (name.toLowerCase() !== "trailer") kept.push(name, headers[index + 1] ?? "");
  }
  return kept;
}

function toPairs(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index < flat.length; index += 2) {
    pairs.push([flat[index] ?? "", flat[index + 1] ?? ""]);
  }
  return pairs;
}
