import { IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Http2SecureServer, Http2Server, ServerHttp2Session } from "node:http2";
import type { Server as HttpsServer } from "node:https";
import { Duplex } from "node:stream";
import { systemClock } from "@sluice/core";
import { createUpgradeClient } from "@sluice/dataplane";
import type { Arrival } from "../arrival.ts";
import { bindAll, closeNow, type Binding } from "../bindings.ts";
import { createAdminListener, createMetricsListener, createStatsListener } from "../control-listeners.ts";
import { createStopStages } from "../shutdown.ts";
import {
  isAppRequest,
  isAppResponse,
  type AppHandler,
  type AppRequest,
  type AppResponse,
} from "./app-message.ts";
import { AppSessions } from "./app-sessions.ts";
import { HandlerRun } from "./handler-run.ts";
import type { ControlPorts, InProcessOptions } from "./options.ts";
import { createInProcessParts, reportPeriodMs, type InProcessParts } from "./parts.ts";
import { StandIns, type Method } from "./stand-ins.ts";
import { TunnelRun, type UpgradeHandler } from "./tunnel-run.ts";

/** The sidecar's job inside the app's own process: for teams that want no second container. */
export class InProcessSidecar {
  readonly #parts: InProcessParts;
  readonly #ports: ControlPorts;
  readonly #bindAddress: string;
  readonly #sessions = new AppSessions();
  readonly #tunnels = new Set<TunnelRun>();
  readonly #attached = new WeakSet<object>();
  #bindings: readonly Binding[] = [];
  #reporting: NodeJS.Timeout | undefined;

  /** Throws RangeError for a limit or a peer that means nothing. */
  constructor(options: InProcessOptions) {
    this.#parts = createInProcessParts(options, options.clock ?? systemClock);
    this.#ports = options.ports ?? { stats: 9090, metrics: 9091, admin: 8022 };
    this.#bindAddress = options.bindAddress ?? "::";
  }

  /** A handler that does the sidecar's part and then calls the app's, for a server of HTTP/1.1 or HTTP/2. */
  wrap<Request extends AppRequest = IncomingMessage, Response extends AppResponse = ServerResponse>(
    handler: (request: Request, response: Response) => unknown,
  ): (request: Request, response: Response) => void {
    // Whoever calls it hands over what its handler takes.
    return (request, response) => this.#accept(request, response, handler as AppHandler);
  }

  /** The same for a server's `upgrade` event, such as WebSockets come by. */
  wrapUpgrade(handler: UpgradeHandler): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
    return (request, socket, head) => this.#acceptUpgrade(request, socket, head, handler);
  }

  /**
   * Puts the sidecar's part before all that a server does, over HTTP/1.1 or HTTP/2, whichever handlers it has or gets later.
   * Throws Error the second time.
   */
  attach(server: Server | HttpsServer | Http2Server | Http2SecureServer): void {
    if (this.#attached.has(server)) throw new Error("attach was already called with this server");
    this.#attached.add(server);
    new StandIns(server).put(
      "emit",
      (emit) =>
        (event, ...values) =>
          this.#onEvent(emit, event, values),
    );
  }

  /** Opens the control ports and starts to report; resolves to where they are. Rejects when one cannot be had; then none is open. */
  async start(): Promise<ControlPorts> {
    const { stats, metrics, drainer, scheduleReset } = this.#parts;
    const bindings: Binding[] = [
      { name: "stats", server: createStatsListener(stats), port: this.#ports.stats },
      { name: "metrics", server: createMetricsListener(metrics.registry), port: this.#ports.metrics },
      { name: "admin", server: createAdminListener(drainer, scheduleReset), port: this.#ports.admin },
    ];
    const ports = await bindAll(bindings, this.#bindAddress);
    this.#bindings = bindings;
    this.#reporting = setInterval(() => stats.report(), reportPeriodMs);
    this.#reporting.unref();
    return { stats: ports.stats, metrics: ports.metrics ?? 0, admin: ports.admin };
  }

  /**
   * Call it on SIGTERM, before the app closes its server: resolves when it has been quiet and nothing is in flight, or the time for that is
   * over. `signal` ends the waiting earlier.
   */
  async stop(signal: AbortSignal = new AbortController().signal): Promise<void> {
    const { clock, drainer, pipeline, limits, beginTermination } = this.#parts;
    const stages = createStopStages({
      clock,
      drainer,
      pipeline,
      forwarder: { endTunnels: () => this.#endTunnels() },
      http1: { close: () => this.#sessions.close(), closeIdleConnections: () => undefined },
      http2: this.#sessions,
      hijackDrainMs: limits.hijackDrainMs,
      beginTermination,
      closeAll: () => this.#closeAll(),
    });
    for (const stage of stages) await stage.run(signal);
  }
  #onEvent(emit: Method, event: unknown, values: readonly unknown[]): unknown {
    const [request, second, third] = values;
    if (isRequestEvent(event) && isAppRequest(request) && isAppResponse(second)) {
      this.#accept(request, second, (...pair) => void emit(event, ...pair));
      return true;
    }
    if (event === "upgrade" && request instanceof IncomingMessage && second instanceof Duplex) {
      const head = third instanceof Buffer ? third : Buffer.alloc(0);
      this.#acceptUpgrade(request, second, head, (...triple) => void emit(event, ...triple));
      return true;
    }
    if (event === "session") this.#sessions.add(request as ServerHttp2Session);
    return emit(event, ...values);
  }

  #accept(request: AppRequest, response: AppResponse, handler: AppHandler): void {
    const run = new HandlerRun(request, response, handler);
    const { session } = "stream" in response ? response.stream : {};
    if (session !== undefined) this.#sessions.add(session as ServerHttp2Session);
    this.#parts.pipeline.accept({
      ...toArrival(request),
      client: run.client,
      startForwarding: (exchange) => run.start(exchange),
    });
  }

  #acceptUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, handler: UpgradeHandler): void {
    const client = createUpgradeClient(request, socket);
    const run = new TunnelRun(client, socket, head, handler);
    this.#tunnels.add(run);
    socket.once("close", () => this.#tunnels.delete(run));
    this.#parts.pipeline.accept({
      ...toArrival(request),
      client,
      startForwarding: (exchange) => run.start(exchange),
    });
  }

  #endTunnels(): void {
    for (const tunnel of this.#tunnels) tunnel.goAway();
  }

  #closeAll(): void {
    clearInterval(this.#reporting);
    for (const { server } of this.#bindings) closeNow(server);
    for (const tunnel of this.#tunnels) tunnel.destroy();
  }
}

/** Those by which Node asks what to do with a request. */
function isRequestEvent(event: unknown): boolean {
  return event === "request" || event === "checkContinue" || event === "checkExpectation";
}

function toArrival(request: AppRequest): Omit<Arrival, "client" | "startForwarding"> {
  const { method = "GET", url = "/", httpVersion, rawHeaders, socket } = request;
  const common = {
    method,
    url,
    httpVersion,
    rawHeaders,
    peerAddress: socket.remoteAddress ?? "",
    socket,
  };
  if (request instanceof IncomingMessage) return common;
  return { ...common, authority: request.authority, hasBody: !request.stream.endAfterHeaders };
}
