import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { listen } from "@sluice/kit";
import type { Pipeline } from "./pipeline.ts";

const headersTimeoutMs = 60_000;
/** Longer than proxies and load balancers in front keep theirs, so that it is never this side that closes first. */
const keepAliveTimeoutMs = 620_000;
const maxHeaderBytes = 64 * 1024;

/** One HTTP listener in front of a pipeline. */
export class Gateway {
  readonly #server: Server;
  #port = 0;

  constructor(pipeline: Pipeline) {
    this.#server = createServer(
      {
        headersTimeout: headersTimeoutMs,
        // Requests are timed by their revision's limits; a body may take as long as those allow.
        requestTimeout: 0,
        keepAliveTimeout: keepAliveTimeoutMs,
        maxHeaderSize: maxHeaderBytes,
        noDelay: true,
      },
      (request, response) => pipeline.handleRequest(request, response),
    );
    // Not answered here: the pod says when it wants the body.
    this.#server.on("checkContinue", (request, response) => pipeline.handleRequest(request, response));
    this.#server.on("upgrade", (request, socket, head) => pipeline.handleUpgrade(request, socket, head));
    this.#server.on("connect", (_request, socket: Socket) => refuseConnect(socket));
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

function refuseConnect(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}
