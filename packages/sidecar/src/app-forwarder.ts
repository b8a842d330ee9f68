import type { Duplex } from "node:stream";
import type { Clock } from "@sluice/core";
import {
  type EarlyBytes,
  Http1Forward,
  Http2Forward,
  Http2Sessions,
  UpgradeForward,
  UpstreamPools,
  type Forwarding,
  type Http1Client,
  type Target,
  type UpstreamPool,
  type UpstreamPoolOptions,
} from "@sluice/dataplane";
import type { Exchange, StartForwarding } from "./exchange.ts";
import { toUpstreamHeaders } from "./upstream-headers.ts";

/** Sends exchanges to the app, by the protocol that they came with. */
export class AppForwarder {
  readonly #target: Target;
  readonly #clock: Clock;
  readonly #pools: UpstreamPools;
  readonly #pool: UpstreamPool;
  readonly #sessions: Http2Sessions;
  readonly #tunnels = new Set<UpgradeForward>();

  constructor(target: Target, options: UpstreamPoolOptions, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.#pools = new UpstreamPools(options, clock);
    this.#pool = this.#pools.get(target);
    this.#sessions = new Http2Sessions({ connectTimeoutMs: options.connectTimeoutMs, maxStreams: 100 });
  }

  readonly startHttp1: StartForwarding = (exchange) => {
    const { head, method, path, client, hasBody } = exchange;
    const request = { method, path, headers: toUpstreamHeaders(exchange), hasBody, head };
    const forward = new Http1Forward(client, exchange, this.#pool, request, this.#clock, "app");
    forward.start();
    return forward;
  };

  readonly startHttp2: StartForwarding = (exchange) => {
    const { head, method, path, client, hasBody } = exchange;
    const forward = new Http2Forward(client, exchange, this.#sessions, false);
    const request = { method, path, headers: toUpstreamHeaders(exchange), hasBody };
    forward.start(this.#target, request, head.trailer !== undefined);
    return forward;
  };

  startUpgrade(exchange: Exchange, client: Http1Client, socket: Duplex, early: EarlyBytes): Forwarding {
    const { head, method, path } = exchange;
    const forward = new UpgradeForward(client, socket, early, exchange);
    const request = { method, path, headers: toUpstreamHeaders(exchange), hasBody: false };
    this.#tunnels.add(forward);
    socket.once("close", () => this.#tunnels.delete(forward));
    forward.start(this.#target, request, head.upgrade ?? "");
    return forward;
  }

  /** Ends what would go on for ever: WebSockets hear 1001. */
  endTunnels(): void {
    for (const tunnel of this.#tunnels) tunnel.goAway();
  }

  close(): void {
    this.#sessions.close();
    this.#pools.close();
  }
}
