import { decodeStatBatch, type CancelTimer, type Clock, type RevisionStat } from "@sluice/core";
import { LogOnce, type Logger } from "@sluice/kit";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type RawData, type WebSocket } from "ws";
import type { Hearing, StatConnection } from "./hearing.ts";
import { forwarderHeader } from "./peer.ts";

export interface StatServerOptions {
  readonly clock: Clock;
  readonly hearing: Hearing;
  /** `isForwarded`: another aggregator sent it here, so it goes no further. */
  readonly onBatch: (batch: readonly RevisionStat[], isForwarded: boolean) => void;
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

/** Names an activator in its handshake. Knative's do not; they are known by their first stat. */
const activatorHeader = "sluice-activator";

interface Sender extends StatConnection {
  readonly socket: WebSocket;
  readonly isForwarder: boolean;
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
  readonly #senders = new Set<Sender>();
  readonly #failures: LogOnce;
  #cancelPing: CancelTimer | undefined;

  constructor(options: StatServerOptions) {
    this.#options = options;
    this.#failures = new LogOnce(options.log);
  }

  /** Takes over a connection that asked for an upgrade and may. */
  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    this.#server.handleUpgrade(request, socket, head, (webSocket) =>
      this.#accept(webSocket, request.headers),
    );
  };

  /** Tells every client to come back elsewhere or later. */
  close(): void {
    this.#cancelPing?.();
    this.#cancelPing = undefined;
    for (const { socket } of this.#senders) socket.close(restartingCode, "Restarting");
    this.#server.close();
  }

  #accept(socket: WebSocket, headers: IncomingHttpHeaders): void {
    const name = headers[activatorHeader];
    const sender: Sender = {
      socket,
      isForwarder: headers[forwarderHeader] !== undefined,
      names: new Set(typeof name === "string" ? [name] : []),
      heardAtMs: this.#options.clock.monotonic(),
    };
    this.#senders.add(sender);
    // Who forwards is no activator, and its silence says nothing.
    if (!sender.isForwarder) this.#options.hearing.open(sender);
    socket.on("message", (data, isBinary) => this.#read(sender, data, isBinary));
    socket.on("pong", () => this.#noteHeard(sender));
    socket.on("ping", () => this.#noteHeard(sender));
    socket.on("error", (error) => this.#failures.warn("a stats connection failed", { error }));
    socket.on("close", () => {
      this.#senders.delete(sender);
      this.#options.hearing.close(sender);
    });
    this.#cancelPing ??= this.#options.clock.setTimer(() => this.#ping(), pingMs);
  }

  #read(sender: Sender, data: RawData, isBinary: boolean): void {
    this.#noteHeard(sender);
    try {
      if (!isBinary || !Buffer.isBuffer(data)) throw new TypeError("stats are binary messages");
      const batch = decodeStatBatch(data);
      const name = batch[0]?.stat.podName;
      if (name !== undefined && name !== "" && !sender.isForwarder) {
        this.#options.hearing.identify(sender, name);
      }
      this.#options.onBatch(batch, sender.isForwarder);
    } catch (error) {
      this.#options.onBadMessage();
      this.#failures.warn("a message on a stats connection is dropped", { error });
    }
  }

  #noteHeard(sender: Sender): void {
    sender.heardAtMs = this.#options.clock.monotonic();
  }

  #ping(): void {
    const nowMs = this.#options.clock.monotonic();
    for (const { socket, heardAtMs } of this.#senders) {
      if (nowMs - heardAtMs > silenceMs) socket.terminate();
      else socket.ping();
    }
    this.#cancelPing =
      this.#senders.size === 0 ? undefined : this.#options.clock.setTimer(() => this.#ping(), pingMs);
  }
}
