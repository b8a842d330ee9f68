import type { IncomingHttpHeaders } from "node:http";
import { SluiceError, headerNames } from "@sluice/core";
import type { Dispatcher } from "undici";
import type { ClientSide } from "./client-side.ts";
import type { Forwarding, ForwardFailure, ForwardObserver, ForwardRequest } from "./forward.ts";
import { HeadFlusher, type PendingHead } from "./head-flusher.ts";
import { toResponseHeaders, toTrailers } from "./response-headers.ts";
import { toForwardFailure, toRefusal } from "./upstream-failure.ts";

const heads = new HeadFlusher();

/**
 * The fast way to the app: HTTP/1.1 through undici's `dispatch`, with this object as the handler, so that a request
 * needs neither promise nor stream of its own. What `dispatch` cannot send takes `NodeForward`.
 */
export class DispatchForward implements Forwarding, PendingHead, Dispatcher.DispatchHandler {
  readonly #client: ClientSide;
  readonly #observer: ForwardObserver;
  readonly #honoursRefusal: boolean;
  #controller: Dispatcher.DispatchController | undefined;
  #isDone = false;
  #isEnded = false;
  /** The head was handed over and nothing since. */
  #isHeadWaiting = false;
  /** Bytes that a `Content-Length` still promises; negative when the end is not known beforehand. */
  #remaining = -1;

  /** `honoursRefusal`: the target is a sidecar, whose `Sluice-Refused` means that the app saw nothing. */
  constructor(client: ClientSide, observer: ForwardObserver, honoursRefusal: boolean) {
    this.#client = client;
    this.#observer = observer;
    this.#honoursRefusal = honoursRefusal;
  }

  start(dispatcher: Dispatcher, request: ForwardRequest): void {
    dispatcher.dispatch(
      {
        method: request.method,
        path: request.path,
        headers: request.headers,
        body: request.hasBody ? this.#client.openBody() : null,
      },
      this,
    );
  }

  resume(): void {
    this.#controller?.resume();
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    // Without a controller the request still waits for a connection, and is given up when it gets one.
    this.#controller?.abort(new SluiceError("client-gone"));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isDone) controller.abort(new SluiceError("client-gone"));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (this.#isDone) return;
    if (this.#honoursRefusal && headers[headerNames.refused] !== undefined) {
      this.#finish(toRefusal(headers[headerNames.refused], this.#client.isBodyTouched));
      return;
    }
    this.#observer.onResponseProgress();
    const flat = toResponseHeaders(headers);
    if (status < 200) {
      this.#client.sendInformation(status, flat);
      return;
    }
    const length = headers["content-length"];
    this.#remaining = length === undefined ? -1 : Number(length);
    this.#observer.onResponseHead(status, flat);
    this.#client.sendHead(status, flat, statusMessage);
    this.#isHeadWaiting = true;
    heads.add(this);
  }

  flushIfWaiting(): void {
    if (!this.#isHeadWaiting || this.#isDone) return;
    this.#isHeadWaiting = false;
    this.#client.flushHead();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isDone) return;
    this.#observer.onResponseProgress();
    this.#isHeadWaiting = false;
    this.#remaining -= chunk.length;
    // The last piece of a body of known length ends the answer with it: one write to the socket instead of two.
    if (this.#remaining === 0) {
      this.#isEnded = true;
      this.#client.end(chunk);
      return;
    }
    if (!this.#client.write(chunk)) controller.pause();
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#isDone) return;
    if (!this.#isEnded) this.#client.end(undefined, toTrailers(trailers));
    this.#finish(undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isDone) return;
    this.#finish(toForwardFailure(error, this.#controller !== undefined));
  }

  #finish(failure: ForwardFailure | undefined): void {
    this.#isDone = true;
    this.#observer.onForwarded(failure);
  }
}
