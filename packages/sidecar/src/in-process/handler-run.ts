import { AsyncResource } from "node:async_hooks";
import { Http2ServerResponse } from "node:http2";
import { SluiceError } from "@sluice/core";
import { Http1Client, NodeHttp2Client, type Forwarding } from "@sluice/dataplane";
import type { Exchange } from "../exchange.ts";
import { showToApp, type AppHandler, type AppRequest, type AppResponse } from "./app-message.ts";
import { ResponseWatch, type ResponseObserver } from "./response-watch.ts";
import { StandIns } from "./stand-ins.ts";

/** A run of the app's handler, which takes the place of the way to an app in another process. */
export class HandlerRun implements Forwarding, ResponseObserver {
  readonly client: Http1Client | NodeHttp2Client;
  readonly #request: AppRequest;
  readonly #response: AppResponse;
  readonly #handler: AppHandler;
  #requestBytes = 0;
  #exchange: Exchange | undefined;
  #watch: ResponseWatch | undefined;
  #isEnded = false;

  constructor(request: AppRequest, response: AppResponse, handler: AppHandler) {
    this.#request = request;
    this.#response = response;
    // It may run when somebody else's request leaves the gate, and must not take that one's context for its own.
    this.#handler = AsyncResource.bind(handler);
    this.client = toClient(request, response);
    new StandIns(request).put("push", (push) => (chunk, ...rest) => {
      if (chunk instanceof Uint8Array) this.#requestBytes += chunk.length;
      return push(chunk, ...rest);
    });
  }

  get requestBytes(): number {
    return this.#requestBytes;
  }

  start(exchange: Exchange): this {
    const request = this.#request;
    const response = this.#response;
    this.#exchange = exchange;
    showToApp(request, exchange.host, exchange.head.endToEnd);
    this.#watch = new ResponseWatch(response, request.method === "HEAD", this);
    response.once("finish", () => this.#onFinish(exchange));
    try {
      this.#handler(request, response);
    } catch (error) {
      exchange.fail(new SluiceError("internal", undefined, { cause: error }));
      // The app's own mistake stays what it is without us: an uncaught exception.
      process.nextTick(() => {
        throw error;
      });
    }
    return this;
  }

  resume(): void {}

  cancel(): void {
    this.#watch?.takeBack();
  }

  onHead(status: number): void {
    this.#exchange?.onResponseHead(status);
    this.#exchange?.onResponseProgress();
  }

  onBody(bytes: number): void {
    this.client.bodyBytes += bytes;
    this.#exchange?.onResponseProgress();
  }

  onEnd(): void {
    this.#isEnded = true;
  }

  onBrokenOff(): boolean {
    const exchange = this.#exchange;
    if (exchange === undefined || exchange.isOver) return false;
    this.client.closeAfterwards();
    exchange.fail(new SluiceError("upstream-reset"));
    return true;
  }

  /** Node also says so of an HTTP/2 stream that its client has reset. */
  #onFinish(exchange: Exchange): void {
    const response = this.#response;
    if (response instanceof Http2ServerResponse) {
      const { aborted, rstCode } = response.stream;
      if (!this.#isEnded || aborted || rstCode !== 0) return;
    }
    if (!exchange.isOver) exchange.onForwarded(undefined);
  }
}

function toClient(request: AppRequest, response: AppResponse): Http1Client | NodeHttp2Client {
  return response instanceof Http2ServerResponse
    ? new NodeHttp2Client(response.stream)
    : // Node hands out requests and responses of one protocol together.
      new Http1Client(request as Http1Client["request"], response);
}
