import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Pod } from "@sluice/core";
import { makePod } from "./feed-objects.ts";

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A sidecar with its app: answers probes, remembers what came, and counts what runs at once. */
export class FakePod {
  readonly name: string;
  readonly requests: IncomingMessage[] = [];
  probes = 0;
  isReady = true;
  running = 0;
  highest = 0;
  answer: Answer;
  readonly server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  private constructor(name: string, answer: Answer) {
    this.name = name;
    this.answer = answer;
    this.server = createServer({ keepAliveTimeout: 60_000, maxHeaderSize: 1_048_576 }, (request, response) =>
      this.#serve(request, response),
    );
    this.server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(name = "hello-00001-a", answer: Answer = sayHello, port = 0): Promise<FakePod> {
    const pod = new FakePod(name, answer);
    await new Promise<void>((resolve) => pod.server.listen(port, "127.0.0.1", resolve));
    pod.#port = (pod.server.address() as AddressInfo).port;
    return pod;
  }

  get port(): number {
    return this.#port;
  }

  toFeed(part: Partial<Pod> = {}): Pod {
    return makePod({
      name: this.name,
      ports: { main: this.#port, stats: 9090, metrics: 9091, admin: 8022 },
      ...part,
    });
  }

  /** As `kill -9`: no more listener, every connection reset. */
  async kill(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    if (request.headers["k-network-probe"] === "queue") {
      this.probes++;
      response.writeHead(this.isReady ? 200 : 503).end(this.isReady ? "queue" : "");
      return;
    }
    this.requests.push(request);
    this.highest = Math.max(this.highest, ++this.running);
    response.on("close", () => this.running--);
    this.answer(request, response);
  }
}

export function sayHello(_request: IncomingMessage, response: ServerResponse): void {
  response.end("hello\n");
}

/** Answers with everything that it got. */
export function echo(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    response.setHeader("content-type", "application/json");
    const { method, url, headers, rawHeaders, rawTrailers } = request;
    response.end(
      JSON.stringify({
        method,
        url,
        headers,
        rawHeaders,
        rawTrailers,
        body: Buffer.concat(chunks).toString(),
      }),
    );
  });
}
