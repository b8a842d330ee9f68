import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import { Http2ServerResponse, type Http2Server, type Http2ServerRequest } from "node:http2";
import { systemClock, type Clock } from "@sluice/core";
import {
  Gate,
  Http1Client,
  NodeHttp2Client,
  RequestLimits,
  type ClientSide,
  type Forwarding,
} from "@sluice/dataplane";
import { listen } from "@sluice/kit";
import { createAdminListener, createMetricsListener, createStatsListener } from "./control-listeners.ts";
import { Drainer } from "./drainer.ts";
import type { Exchange } from "./exchange.ts";
import { PeerTrust } from "./peer-trust.ts";
import { Pipeline } from "./pipeline.ts";
import { RequestMetrics } from "./metrics/request-metrics.ts";
import { StatReporter } from "./stat-reporter.ts";

/** The sidecar's job inside the app's own process: for teams that want no second container. */
export interface InProcessOptions {
  readonly namespace: string;
  readonly revision: string;
  readonly pod: string;
  /** Requests that the app runs at once; 0, the default, is no limit. */
  readonly containerConcurrency?: number;
  /** Requests that may wait, per request that may run. Default 10. */
  readonly queueDepthFactor?: number;
  /** How long a request may take in all, in milliseconds. Default 300,000. */
  readonly requestTimeoutMs?: number;
  /** Draining ends when no request has started for so long, in milliseconds. Default 30,000. */
  readonly quietPeriodMs?: number;
  /** Whether the app is ready, asked by whoever probes the pod. Default: always. */
  readonly isReady?: () => boolean | Promise<boolean>;
  /** Address of the control ports. Default: all. */
  readonly bindAddress?: string;
  /** Control ports; 0 takes a free one. Defaults are the sidecar's: 9090, 9091, 8022. */
  readonly ports?: { readonly stats: number; readonly metrics: number; readonly admin: number };
  readonly clock?: Clock;
}

type AnyRequest = IncomingMessage | Http2ServerRequest;
type AnyResponse = ServerResponse | Http2ServerResponse;
type AnyListener = (request: AnyRequest, response: AnyResponse) => void;

/** Limit, counts, probes and drain around an app's own handler. */
export class InProcessSidecar {
  readonly #options: InProcessOptions;
  readonly #drainer: Drainer;
  readonly #stats: StatReporter;
  readonly #metrics: RequestMetrics;
  readonly #pipeline: Pipeline;
  readonly #clock: Clock;
  #servers: Server[] = [];
  #reporting: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(options: InProcessOptions) {
    const clock = options.clock ?? systemClock;
    const { namespace, revision, pod, containerConcurrency = 0, queueDepthFactor = 10 } = options;
    this.#options = options;
    this.#clock = clock;
    this.#drainer = new Drainer(clock, options.quietPeriodMs ?? 30_000);
    this.#stats = new StatReporter(clock, pod, reportPeriodMs);
    const target = [
      ["k8s.namespace.name", namespace],
      ["k8s.pod.name", pod],
      ["kn.revision.name", revision],
      ["service.name", revision],
    ] as const;
    this.#metrics = new RequestMetrics(target, { address: "localhost", port: 0 });
    this.#pipeline = new Pipeline({
      clock,
      trust: new PeerTrust([]),
      drainer: this.#drainer,
      prober: { probe: async () => (await options.isReady?.()) ?? true },
      limits: new RequestLimits(
        { requestMs: options.requestTimeoutMs ?? 300_000, responseStartMs: 0, idleMs: 0 },
        clock,
      ),
      stats: this.#stats,
      appAuthority: "localhost",
      gate:
        containerConcurrency > 0
          ? new Gate({
              concurrency: containerConcurrency,
              queueDepth: containerConcurrency * queueDepthFactor,
            })
          : undefined,
      recorders: [this.#metrics],
    });
  }

  /** A handler that does the sidecar's part and then calls the app's. */
  wrap(listener: RequestListener): RequestListener {
    // Node's HTTP/2 objects are HTTP/1.1's in all that a handler uses; that is what they are for.
    return (request, response) => this.#accept(request, response, listener as AnyListener);
  }

  /** Puts the sidecar's part before the handlers of a server, HTTP/1.1 or HTTP/2. Upgrades and sessions stay the app's. */
  attach(server: Server | Http2Server): void {
    const listeners = server.listeners("request") as AnyListener[];
    server.removeAllListeners("request");
    server.on("request", (request: AnyRequest, response: AnyResponse) => {
      this.#accept(request, response, (...pair) => {
        for (const listener of listeners) listener.apply(server, pair);
      });
    });
  }

  /** Opens the control ports and starts to report; resolves to where they are. */
  async start(): Promise<{ stats: number; metrics: number; admin: number }> {
    const { ports = { stats: 9090, metrics: 9091, admin: 8022 }, bindAddress = "::" } = this.#options;
    const servers = {
      stats: createStatsListener(this.#stats),
      metrics: createMetricsListener(this.#metrics.registry),
      admin: createAdminListener(this.#drainer, () => this.#scheduleReset()),
    };
    this.#servers = Object.values(servers);
    this.#reporting = setInterval(() => this.#stats.report(), reportPeriodMs);
    this.#reporting.unref();
    const [stats, metrics, admin] = await Promise.all([
      listen(servers.stats, ports.stats, bindAddress),
      listen(servers.metrics, ports.metrics, bindAddress),
      listen(servers.admin, ports.admin, bindAddress),
    ]);
    return { stats: stats.port, metrics: metrics.port, admin: admin.port };
  }

  /** Call it on SIGTERM, before the app closes its server: resolves when it has been quiet and nothing is in flight. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#drainer.drain();
    await this.#pipeline.idle();
    clearInterval(this.#reporting);
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  #scheduleReset(): void {
    this.#clock.setTimer(() => {
      if (!this.#isStopping) this.#drainer.reset();
    }, drainResetMs);
  }

  #accept(request: AnyRequest, response: AnyResponse, listener: AnyListener): void {
    // Once a time limit has answered, what the app still writes fails, and that is meant.
    response.on("error", () => undefined);
    this.#pipeline.accept({
      client: toClient(request, response),
      method: request.method ?? "GET",
      url: request.url ?? "/",
      httpVersion: request.httpVersion,
      rawHeaders: request.rawHeaders,
      authority: "authority" in request ? request.authority : undefined,
      peerAddress: request.socket.remoteAddress ?? "",
      socket: request.socket,
      startForwarding: (exchange) => runListener(exchange, request, response, listener),
    });
  }
}

const reportPeriodMs = 1000;
const drainResetMs = 1000;

function toClient(request: AnyRequest, response: AnyResponse): ClientSide {
  return response instanceof Http2ServerResponse
    ? new NodeHttp2Client(response.stream)
    : new Http1Client(request as IncomingMessage, response);
}

/** The app's handler takes the place of the way to the app. */
function runListener(
  exchange: Exchange,
  request: AnyRequest,
  response: AnyResponse,
  listener: AnyListener,
): Forwarding {
  request.headers.host = exchange.host;
  response.once("finish", () => {
    if (exchange.isOver) return;
    exchange.onResponseHead(response.statusCode);
    exchange.onForwarded(undefined);
  });
  listener(request, response);
  return { requestBytes: 0, resume: () => undefined, cancel: () => undefined };
}
