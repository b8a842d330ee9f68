import { decodeStatBatch, type CancelTimer, type Clock, type RevisionStat } from "@sluice/core";
import { LogOnce, type Logger } from "@sluice/kit";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type RawData, type WebSocket } from "ws";
import type { Hearing, StatConnection } from "./hearing.ts";

export interface StatServerOptions {
  readonly clock: Clock;
  readonly hearing: Hearing;
  readonly onBatch: (batch: readonly RevisionStat[]) => void;
  /** A message that is no batch of stats. */
  readonly onBadMessage: () => void;
  readonly log: Logger;
}

/** A batch about ten thousand revisions is 1 MiB. */
const maxMessageBytes = 16 * 1024 * 1024;
const pingMs = 3000;
/** A connection that answers no ping for so long is gone, whatever TCP thinks. */
const silenceMs = 10_000;
/** Knative's close for a server that goes away: the client comes back at once. */
const restartingCode = 1012;

interface Peer extends StatConnection {
  readonly socket: WebSocket;
  heardAtMs: number;
}

/** Takes stats as Knative's autoscaler does: binary WebSocket messages, each a `WireStatMessages` (reference §2.7). */
export class StatServer {
  readonly #options: StatServerOptions;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    clientTracking: false,
  });
  readonly #peers = new Set<Peer>();
  readonly #failures: LogOnce;
  #cancelPing: CancelTimer | undefined;

  constructor(options: StatServerOptions) {
    this.#options = options;
    this.#failures = new LogOnce(options.log);
  }

  /** Takes over a connection that asked for an upgrade and may. */
  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket));
  };

  /** Tells every client to come back elsewhere or later. */
  close(): void {
    this.#cancelPing?.();
    this.#cancelPing = undefined;
    for (const { socket } of this.#peers) socket.close(restartingCode, "Restarting");
    this.#server.close();
  }

  #accept(socket: WebSocket): void {
    const peer: Peer = { socket, names: new Set(), heardAtMs: this.#options.clock.monotonic() };
    this.#peers.add(peer);
    this.#options.hearing.open(peer);
    socket.on("message", (data, isBinary) => this.#read(peer, data, isBinary));
    socket.on("pong", () => this.#noteHeard(peer));
    socket.on("ping", () => this.#noteHeard(peer));
    socket.on("error", (error) => this.#failures.warn("a stats connection failed", { error }));
    socket.on("close", () => {
      this.#peers.delete(peer);
      this.#options.hearing.close(peer);
    });
    this.#cancelPing ??= this.#options.clock.setTimer(() => this.#ping(), pingMs);
  }

  #read(peer: Peer, data: RawData, isBinary: boolean): void {
    this.#noteHeard(peer);
    try {
      if (!isBinary || !Buffer.isBuffer(data)) throw new TypeError("stats are binary messages");
      const batch = decodeStatBatch(data);
      const name = batch[0]?.stat.podName;
      if (name !== undefined && name !== "") this.#options.hearing.identify(peer, name);
      this.#options.onBatch(batch);
    } catch (error) {
      this.#options.onBadMessage();
      this.#failures.warn("a message on a stats connection is dropped", { error });
    }
  }

  #noteHeard(peer: Peer): void {
    peer.heardAtMs = this.#options.clock.monotonic();
  }

  #ping(): void {
    const nowMs = this.#options.clock.monotonic();
    for (const { socket, heardAtMs } of this.#peers) {
      if (nowMs - heardAtMs > silenceMs) socket.terminate();
      else socket.ping();
    }
    this.#cancelPing =
      this.#peers.size === 0 ? undefined : this.#options.clock.setTimer(() => this.#ping(), pingMs);
  }
}
