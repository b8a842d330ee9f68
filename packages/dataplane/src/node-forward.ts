import { request as httpRequest, type Agent, type ClientRequest, type IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { headerNames, SluiceError, type Clock } from "@sluice/core";
import type { ClientSide } from "./client-side.ts";
import type { ForwardFailure, Forwarding, ForwardObserver, ForwardRequest } from "./forward.ts";
import { toRequestTrailers } from "./request-head.ts";
import { toResponseHeaders } from "./response-headers.ts";
import { relayResponse } from "./response-relay.ts";
import { toForwardFailure, toRefusal } from "./upstream-failure.ts";
import type { Target } from "./upstream-pools.ts";

/** What undici's `dispatch` cannot send. */
export interface NodeForwardRequest extends ForwardRequest {
  readonly expectsContinue: boolean;
  /** The names that `Trailer` announced, when it did. */
  readonly trailer: string | undefined;
}

/** A client that expects `100 Continue` is not left waiting for an app that never says it (RFC 9110 §10.1.1). */
const continueWaitMs = 1000;

/** The thorough way to the app: `node:http`, for `Expect: 100-continue`, request trailers and `OPTIONS *`. */
export class NodeForward implements Forwarding {
  readonly #client: ClientSide;
  readonly #observer: ForwardObserver;
  readonly #clock: Clock;
  readonly #honoursRefusal: boolean;
  #request: ClientRequest | undefined;
  #response: IncomingMessage | undefined;
  #cancelContinueWait: (() => void) | undefined;
  #body: Readable | undefined;
  #stopRelay: (() => void) | undefined;
  #isSent = false;
  #isDone = false;
  #isBodyStarted = false;

  /** `honoursRefusal`: the target is a sidecar, whose `Sluice-Refused` means that the app saw nothing. */
  constructor(client: ClientSide, observer: ForwardObserver, clock: Clock, honoursRefusal = false) {
    this.#client = client;
    this.#observer = observer;
    this.#clock = clock;
    this.#honoursRefusal = honoursRefusal;
  }

  start(agent: Agent, target: Target, request: NodeForwardRequest): void {
    try {
      this.#send(agent, target, request);
    } catch (error) {
      // Node throws for what it will not put on the wire.
      this.#fail(error instanceof Error ? error : new TypeError(String(error)));
    }
  }

  #send(agent: Agent, target: Target, request: NodeForwardRequest): void {
    const upstream = httpRequest({
      agent,
      host: target.address,
      port: target.port,
      method: request.method,
      path: request.path,
      headers: toNodeHeaders(request),
      setHost: false,
    });
    this.#request = upstream;
    upstream
      .on("socket", (socket) => {
        if (!socket.connecting) this.#isSent = true;
        else socket.once("connect", () => (this.#isSent = true));
      })
      .on("information", ({ statusCode, headers }) => {
        if (statusCode !== 100) this.#sendInformation(statusCode, toResponseHeaders(headers));
      })
      .on("continue", () => this.#startBody(request))
      .on("response", (response) => this.#onResponse(response))
      .on("error", (error) => this.#fail(error))
      // An app that changes the protocol unasked: Node ends the connection and says no more than this.
      .on("close", () => {
        if (this.#response === undefined) this.#fail(new SluiceError("upstream-invalid"));
      });
    if (!request.expectsContinue) {
      this.#startBody(request);
      return;
    }
    upstream.flushHeaders();
    this.#cancelContinueWait = this.#clock.setTimer(() => this.#startBody(request), continueWaitMs);
  }

  resume(): void {
    this.#response?.resume();
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#cleanUp();
    this.#request?.destroy();
  }

  #sendInformation(status: number, headers: string[]): void {
    if (this.#isDone) return;
    this.#observer.onResponseProgress();
    this.#client.sendInformation(status, headers);
  }

  #startBody(request: NodeForwardRequest): void {
    if (this.#isDone || this.#isBodyStarted) return;
    this.#isBodyStarted = true;
    this.#cancelContinueWait?.();
    if (request.expectsContinue) this.#client.sendInformation(100, []);
    const upstream = this.#request;
    if (upstream === undefined) return;
    if (!request.hasBody) {
      upstream.end();
      return;
    }
    const body = this.#client.openBody();
    this.#body = body;
    body
      .on("data", (chunk: Buffer) => {
        if (!upstream.write(chunk)) body.pause();
      })
      .on("end", () => {
        const trailers = toRequestTrailers(this.#client.readTrailers());
        if (trailers.length > 0) upstream.addTrailers(toPairs(trailers));
        upstream.end();
      })
      .on("error", (error) => this.#fail(error));
    upstream.on("drain", () => body.resume());
  }

  #onResponse(response: IncomingMessage): void {
    if (this.#isDone) return;
    this.#response = response;
    this.#cancelContinueWait?.();
    const refusal = this.#honoursRefusal ? response.headers[headerNames.refused] : undefined;
    if (refusal !== undefined) {
      this.#finish(toRefusal(refusal, this.#client.isBodyTouched));
      this.#request?.destroy();
      return;
    }
    try {
      this.#stopRelay = relayResponse(response, this.#client, this.#observer, {
        onRelayed: () => this.#onRelayed(),
        onRelayFailed: (error) => this.#fail(error),
      });
    } catch (error) {
      // Node refuses to send what no client could read.
      this.#fail(error instanceof Error ? error : new TypeError(String(error)));
    }
  }

  #onRelayed(): void {
    if (this.#isDone) return;
    this.#finish(undefined);
    // An app that answered without wanting the body: the connection still expects it.
    if (this.#request?.writableEnded === false) this.#request.destroy();
  }

  #fail(error: Error): void {
    if (this.#isDone) return;
    this.#finish(toForwardFailure(error, this.#isSent));
    this.#request?.destroy();
  }

  #finish(failure: ForwardFailure | undefined): void {
    this.#isDone = true;
    this.#cleanUp();
    this.#observer.onForwarded(failure);
  }

  #cleanUp(): void {
    this.#cancelContinueWait?.();
    this.#stopRelay?.();
    if (this.#request?.writableEnded !== true) this.#body?.destroy();
  }
}

function toNodeHeaders(request: NodeForwardRequest): string[] {
  const headers = [...request.headers];
  const isLengthKnown = request.headers.some(
    (name, index) => index % 2 === 0 && name.toLowerCase() === "content-length",
  );
  if (request.hasBody && !isLengthKnown) headers.push("Transfer-Encoding", "chunked");
  if (request.trailer !== undefined) headers.push("Trailer", request.trailer);
  if (request.expectsContinue) headers.push("Expect", "100-continue");
  return headers;
}

function toPairs(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index < flat.length; index += 2) pairs.push([flat[index] ?? "", flat[index + 1] ?? ""]);
  return pairs;
}
