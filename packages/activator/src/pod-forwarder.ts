import type { Duplex } from "node:stream";
import type { Clock, Pod, Revision } from "@sluice/core";
import {
  Http1Forward,
  Http2Forward,
  toAuthority,
  UpgradeForward,
  type ClientSide,
  type EarlyBytes,
  type Forwarding,
  type ForwardRequest,
  type Http1Client,
  type Http2Pool,
  type RequestHead,
  type UpgradeObserver,
  type TargetPools,
  type UpstreamPool,
} from "@sluice/dataplane";

/** One request, understood. */
export interface ExchangeRequest extends ForwardRequest {
  readonly head: RequestHead;
  /** For a request to upgrade. */
  readonly upgrade:
    | { readonly client: Http1Client; readonly socket: Duplex; readonly early: EarlyBytes }
    | undefined;
}

export interface PodForwarderOptions {
  readonly clock: Clock;
  readonly pools: TargetPools<UpstreamPool>;
  /** For pods whose app speaks HTTP/2. */
  readonly http2Pools: TargetPools<Http2Pool>;
}

/** Sends requests to pods, over HTTP/2 where the app speaks that. */
export class PodForwarder {
  readonly #options: PodForwarderOptions;

  constructor(options: PodForwarderOptions) {
    this.#options = options;
  }

  /** `headerCount`: how many of the request's headers every attempt has; each adds its own `Host` behind them. */
  start(
    client: ClientSide,
    observer: UpgradeObserver,
    request: ExchangeRequest,
    headerCount: number,
    { address, ports }: Pod,
    protocol: Revision["protocol"],
  ): Forwarding {
    const { head, upgrade, headers } = request;
    const isHttp2 = protocol === "h2c" && upgrade === undefined;
    const target = { address, port: isHttp2 ? (ports.h2c ?? ports.main) : ports.main };
    headers.length = headerCount;
    headers.push("Host", toAuthority(target));
    if (upgrade !== undefined) {
      const tunnel = new UpgradeForward(upgrade.client, upgrade.socket, upgrade.early, observer, true);
      tunnel.start(target, request, head.upgrade ?? "");
      return tunnel;
    }
    if (isHttp2) {
      const pool = this.#options.http2Pools.get(target);
      const forward = new Http2Forward(client, observer, pool, request, "sidecar");
      forward.start();
      return forward;
    }
    const { pools, clock } = this.#options;
    const forward = new Http1Forward(client, observer, pools.get(target), request, clock, "sidecar");
    forward.start();
    return forward;
  }
}
