import type { Server } from "node:http";
import type { Clock } from "@sluice/core";
import { createHttp1Server, createHttp2Server, shareWithHttp2, type Http2Front } from "@sluice/dataplane";
import { listen } from "@sluice/kit";
import type { Pipeline } from "./pipeline.ts";

const headerTimeoutMs = 60_000;
/** Longer than proxies and load balancers in front keep theirs, so that it is never this side that closes first. */
const keepAliveTimeoutMs = 620_000;
const maxHeaderBytes = 64 * 1024;

/** One listener in front of a pipeline, for HTTP/1.1 and, by prior knowledge, HTTP/2. */
export class Gateway {
  readonly #http1: Server;
  readonly #http2: Http2Front;
  #port = 0;

  constructor(pipeline: Pipeline, clock: Clock) {
    this.#http1 = createHttp1Server(pipeline, { headerTimeoutMs, keepAliveTimeoutMs, maxHeaderBytes });
    this.#http2 = createHttp2Server(pipeline, maxHeaderBytes);
    shareWithHttp2(this.#http1, this.#http2, headerTimeoutMs, clock);
  }

  get port(): number {
    return this.#port;
  }

  async listen(port: number, address: string): Promise<void> {
    this.#port = (await listen(this.#http1, port, address)).port;
  }

  /** Stops taking connections; unused ones are closed, the others when their responses are out. */
  stopListening(): void {
    this.#http1.close();
    this.#http2.goAway();
  }

  /** Ends what is left, at once. */
  closeAll(): void {
    this.#http1.closeAllConnections();
    this.#http2.close();
  }
}
