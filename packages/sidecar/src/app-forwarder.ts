import { Agent } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "@sluice/core";
import {
  DispatchForward,
  Http2Forward,
  Http2Sessions,
  NodeForward,
  UpgradeForward,
  UpstreamPools,
  type Forwarding,
  type Http1Client,
  type Target,
  type UpstreamPoolOptions,
} from "@sluice/dataplane";
import type { Dispatcher } from "undici";
import type { Exchange, StartForwarding } from "./exchange.ts";
import { toUpstreamHeaders } from "./upstream-headers.ts";

/** Sends exchanges to the app: by the fast path where it can, by the thorough one where it must. */
export class AppForwarder {
  readonly #target: Target;
  readonly #clock: Clock;
  readonly #pools: UpstreamPools;
  readonly #dispatcher: Dispatcher;
  readonly #agent: Agent;
  readonly #sessions: Http2Sessions;
  readonly #tunnels = new Set<UpgradeForward>();

  constructor(target: Target, options: UpstreamPoolOptions, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.#pools = new UpstreamPools(options);
    this.#dispatcher = this.#pools.get(target);
    this.#sessions = new Http2Sessions({ connectTimeoutMs: options.connectTimeoutMs, maxStreams: 100 });
    this.#agent = new Agent({ keepAlive: true, timeout: options.idleTimeoutMs });
  }

  readonly startHttp1: StartForwarding = (exchange) => {
    const { head, method, path, client, hasBody } = exchange;
    const request = { method, path, headers: toUpstreamHeaders(exchange), hasBody };
    if (head.expect === undefined && head.trailer === undefined && path !== "*") {
      const forward = new DispatchForward(client, exchange, false);
      forward.start(this.#dispatcher, request);
      return forward;
    }
    const forward = new NodeForward(client, exchange, this.#clock);
    const expectsContinue = head.expect !== undefined && hasBody;
    forward.start(this.#agent, this.#target, { ...request, expectsContinue, trailer: head.trailer });
    return forward;
  };

  readonly startHttp2: StartForwarding = (exchange) => {
    const { head, method, path, client, hasBody } = exchange;
    const forward = new Http2Forward(client, exchange, this.#sessions, false);
    const request = { method, path, headers: toUpstreamHeaders(exchange), hasBody };
    forward.start(this.#target, request, head.trailer !== undefined);
    return forward;
  };

  startUpgrade(exchange: Exchange, client: Http1Client, socket: Duplex, early: Buffer): Forwarding {
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

  async close(): Promise<void> {
    this.#agent.destroy();
    this.#sessions.close();
    await this.#pools.close();
  }
}
