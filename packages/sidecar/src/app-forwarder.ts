import type { Duplex } from "node:stream";
import type { Clock } from "@sluice/core";
import {
  type EarlyBytes,
  Http1Forward,
  Http2Forward,
  Http2Pool,
  UpgradeForward,
  UpstreamPool,
  type Forwarding,
  type Http1Client,
  type Target,
  type UpstreamPoolOptions,
} from "@sluice/dataplane";
import type { StartForwarding } from "./arrival.ts";
import type { Exchange } from "./exchange.ts";
import { toUpstreamHeaders } from "./upstream-headers.ts";

/** Sends exchanges to the app, by the protocol that they came with. */
export class AppForwarder {
  readonly #target: Target;
  readonly #clock: Clock;
  readonly #pool: UpstreamPool;
  readonly #http2Pool: Http2Pool;
  readonly #tunnels = new Set<UpgradeForward>();

  constructor(target: Target, options: UpstreamPoolOptions, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.#pool = new UpstreamPool(target, options, clock);
    this.#http2Pool = new Http2Pool(target, options, clock);
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
    const request = { method, path, headers: toUpstreamHeaders(exchange), hasBody, head };
    const forward = new Http2Forward(client, exchange, this.#http2Pool, request, "app");
    forward.start();
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
    this.#http2Pool.destroy();
    this.#pool.destroy();
  }
}
