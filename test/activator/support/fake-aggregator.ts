import { decodeStatBatch, type AggregatorMember, type RevisionStat } from "@sluice/core";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";

export interface HeardStat extends RevisionStat {
  /** Wall clock, milliseconds. */
  readonly heardAtMs: number;
}

/** Takes stats as an aggregator does, and keeps them. */
export class FakeAggregator {
  readonly name: string;
  readonly stats: HeardStat[] = [];
  readonly handshakes: IncomingMessage[] = [];
  readonly #server: WebSocketServer;
  readonly #waiting: (() => void)[] = [];

  private constructor(name: string, server: WebSocketServer) {
    this.name = name;
    this.#server = server;
    server.on("connection", (socket, request) => {
      this.handshakes.push(request);
      this.#wake();
      socket.on("message", (data: Buffer) => {
        const heardAtMs = Date.now();
        for (const stat of decodeStatBatch(data)) this.stats.push({ ...stat, heardAtMs });
        this.#wake();
      });
    });
  }

  static async start(name = "aggregator-0", port = 0): Promise<FakeAggregator> {
    const server = new WebSocketServer({ host: "127.0.0.1", port });
    await once(server, "listening");
    return new FakeAggregator(name, server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  toFeed(): AggregatorMember {
    return { kind: "aggregator", name: this.name, address: "127.0.0.1", ports: { http: this.port } };
  }

  /** Resolves when what was heard satisfies `isEnough`. */
  async until(isEnough: (stats: readonly HeardStat[]) => boolean): Promise<void> {
    while (!isEnough(this.stats)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    for (const client of this.#server.clients) client.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
