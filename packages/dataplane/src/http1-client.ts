import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { ClientListener, ClientSide } from "./client-side.ts";
import { BodyReplay } from "./body-replay.ts";
import { RequestBody } from "./request-body.ts";

/** A client that came over HTTP/1.1. */
export class Http1Client implements ClientSide {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  bodyBytes = 0;
  readonly #replayBytes: number;
  #body: RequestBody | undefined;
  #replay: BodyReplay | undefined;
  #listener: ClientListener | undefined;
  #hearsDrain = false;

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

  get isBodyTouched(): boolean {
    return this.#body?.isTouched === true && this.#replay?.isWhole !== true;
  }

  listen(listener: ClientListener): void {
    this.#listener = listener;
    this.response.on("close", () => listener.onClientClosed(this.response.writableFinished));
  }

  sendInformation(status: number, headers: string[]): void {
    // HTTP/1.0 has no interim answers (RFC 9110 §15.2).
    if (this.request.httpVersionMinor === 0 || this.isHeadSent) return;
    this.response.writeInformation(status, headers);
  }

  sendHead(status: number, headers: string[], statusMessage?: string): void {
    const { response, request } = this;
    // Persistence is what HTTP/1.1 means without a word; only HTTP/1.0 needs to be told.
    if (response.shouldKeepAlive && request.httpVersionMinor === 1) response.removeHeader("connection");
    if (statusMessage === undefined || statusMessage === "") response.writeHead(status, headers);
    else response.writeHead(status, statusMessage, headers);
  }

  write(chunk: Uint8Array): boolean {
    this.bodyBytes += chunk.length;
    if (this.response.write(chunk)) return true;
    this.#hearDrain();
    return false;
  }

  end(chunk?: Uint8Array, trailers?: string[]): void {
    const { response } = this;
    this.#dropBody();
    if (trailers !== undefined) response.addTrailers(toPairs(trailers));
    if (chunk === undefined) {
      response.end();
      return;
    }
    this.bodyBytes += chunk.length;
    response.end(chunk);
  }

  closeAfterwards(): void {
    this.response.shouldKeepAlive = false;
  }

  destroy(): void {
    this.response.destroy();
  }

  openBody(): Readable {
    // An earlier attempt lets go first, so that no byte goes to both.
    this.#body?.destroy();
    if (this.#replayBytes > 0) this.#replay ??= new BodyReplay(this.#replayBytes);
    this.#body = new RequestBody(this.request, this.#replay);
    return this.#body;
  }

  readTrailers(): readonly string[] {
    return this.request.rawTrailers;
  }

  /** The answer is complete: what waited to be sent again, and what is still to come, is not wanted any more. */
  #dropBody(): void {
    this.#replay?.drop();
    if (this.#body?.destroyed === true) this.request.resume();
  }

  #hearDrain(): void {
    if (this.#hearsDrain) return;
    this.#hearsDrain = true;
    this.response.on("drain", () => this.#listener?.onClientDrain());
  }
}

function toPairs(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index < flat.length; index += 2) {
    pairs.push([flat[index] ?? "", flat[index + 1] ?? ""]);
  }
  return pairs;
}
