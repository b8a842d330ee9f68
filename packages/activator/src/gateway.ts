import type { Server } from "node:http";
import { createHttp1Server } from "@sluice/dataplane";
import { listen } from "@sluice/kit";
import type { Pipeline } from "./pipeline.ts";

const headerTimeoutMs = 60_000;
/** Longer than proxies and load balancers in front keep theirs, so that it is never this side that closes first. */
const keepAliveTimeoutMs = 620_000;
const maxHeaderBytes = 64 * 1024;

/** One HTTP listener in front of a pipeline. */
export class Gateway {
  readonly #server: Server;
  #port = 0;

  constructor(pipeline: Pipeline) {
    this.#server = createHttp1Server(pipeline, { headerTimeoutMs, keepAliveTimeoutMs, maxHeaderBytes });
  }

  get port(): number {
    return this.#port;
  }

  async listen(port: number, address: string): Promise<void> {
    this.#port = (await listen(this.#server, port, address)).port;
  }

  /** Stops taking connections; unused ones are closed, the others when their response is out. */
  stopListening(): void {
    this.#server.close();
  }

  /** Ends what is left, at once. */
  closeAll(): void {
    this.#server.closeAllConnections();
  }
}
