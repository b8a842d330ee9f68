import { Agent } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "@sluice/core";
import {
  DispatchForward,
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

  constructor(target: Target, options: UpstreamPoolOptions, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.#pools = new UpstreamPools(options);
    this.#dispatcher = this.#pools.get(target);
    this.#agent = new Agent({ keepAlive: true, timeout: options.idleTimeoutMs });
  }

  readonly startHttp1: StartForwarding = (exchange) => {
    const { head, method, path, client } = exchange;
    const request = { method, path, headers: toUpstreamHeaders(exchange), hasBody: head.hasBody };
    if (head.expect === undefined && head.trailer === undefined && path !== "*") {
      const forward = new DispatchForward(client, exchange, false);
      forward.start(this.#dispatcher, request);
      return forward;
    }
    const forward = new NodeForward(client, exchange, this.#clock);
    const expectsContinue = head.expect !== undefined && head.hasBody;
    forward.start(this.#agent, this.#target, { ...request, expectsContinue, trailer: head.trailer });
    return forward;
  };

  startUpgrade(exchange: Exchange, client: Http1Client, socket: Duplex, early: Buffer): Forwarding {
    const { head, method, path } = exchange;
    const forward = new UpgradeForward(client, socket, early, exchange);
    const request = { method, path, headers: toUpstreamHeaders(exchange), hasBody: false };
    forward.start(this.#target, request, head.upgrade ?? "");
    return forward;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.#pools.close();
  }
}
