import { once } from "node:events";
import type { Server } from "node:http";
import { systemClock, type Clock } from "@sluice/core";
import { Gate, RequestLimits } from "@sluice/dataplane";
import { listen, waitInStage, type Logger, type Running, type Stage } from "@sluice/kit";
import { AppForwarder } from "./app-forwarder.ts";
import { parseAppProbes } from "./app-probe.ts";
import { createAdminListener, createMetricsListener, createStatsListener } from "./control-listeners.ts";
import { Drainer } from "./drainer.ts";
import { createHttp1Listener } from "./http1-listener.ts";
import { createHttp2Listener, type Http2Listener } from "./http2-listener.ts";
import { shareWithHttp2 } from "./main-listener.ts";
import { PeerTrust } from "./peer-trust.ts";
import { Pipeline } from "./pipeline.ts";
import { attemptProbe } from "./probe-attempt.ts";
import { Readiness } from "./readiness.ts";
import { RequestMetrics } from "./request-metrics.ts";
import type { SidecarSettings } from "./settings.ts";
import { createSidecarLogger } from "./sidecar-logger.ts";
import { StatReporter } from "./stat-reporter.ts";

/** A running sidecar: where it listens, and how it stops. */
export interface Sidecar extends Running {
  readonly log: Logger;
  readonly ports: {
    readonly main: number;
    readonly admin: number;
    readonly stats: number;
    readonly metrics: number;
  };
}

/** Builds and binds everything. Rejects when a port cannot be bound; nothing stays open then. */
export async function startSidecar(settings: SidecarSettings, clock: Clock = systemClock): Promise<Sidecar> {
  const log = createSidecarLogger(settings);
  const drainer = new Drainer(clock, settings.quietPeriod);
  const stats = new StatReporter(clock, settings.pod, settings.reportPeriod);
  const metrics = new RequestMetrics(settings);
  const forwarder = createForwarder(settings, clock);
  const pipeline = new Pipeline({
    clock,
    trust: new PeerTrust(settings.trustedPeers),
    drainer,
    prober: createReadiness(settings, clock),
    limits: createLimits(settings, clock),
    stats,
    gate: createGate(settings),
    recorder: metrics,
  });
  const termination = createTermination(settings, clock, drainer);
  const http1 = createHttp1Listener(pipeline, forwarder, {
    headerTimeoutMs: settings.headerTimeout,
    maxHeaderBytes: settings.maxHeaderBytes,
    // Idle connections are the client's business, as with Knative: an activator keeps its own for long.
    keepAliveTimeoutMs: 0,
  });
  const http2 = createHttp2Listener(pipeline, forwarder, settings.maxHeaderBytes);
  shareWithHttp2(http1, http2.server, settings.headerTimeout, clock);
  const servers = {
    main: http1,
    admin: createAdminListener(drainer, termination.scheduleReset),
    stats: createStatsListener(stats),
    metrics: createMetricsListener(() => Promise.resolve(metrics.registry)),
  };
  const ports = await bindAll(servers, settings);
  const reporting = setInterval(() => stats.report(), settings.reportPeriod);
  log.info({ ports, app: settings.userPort }, "sidecar serves");
  return {
    log,
    ports,
    stop: [
      {
        name: "drain",
        timeoutMs: drainLimitMs,
        async run(signal) {
          termination.begin();
          http2.goAway();
          await Promise.race([drainer.drain(), once(signal, "abort")]);
        },
      },
      createCloseStage(http1, http2),
      createInFlightStage(settings, clock, pipeline, forwarder),
      {
        name: "infrastructure",
        timeoutMs: 10_000,
        async run() {
          clearInterval(reporting);
          for (const server of Object.values(servers)) server.close();
          for (const server of [http1, servers.admin, servers.stats, servers.metrics])
            server.closeAllConnections();
          http2.close();
          await forwarder.close();
        },
      },
    ],
  };
}

/** A pod that still gets requests goes on draining; Kubernetes ends that at the end of the pod's grace period. */
const drainLimitMs = 24 * 3_600_000;

function createForwarder(settings: SidecarSettings, clock: Clock): AppForwarder {
  return new AppForwarder(
    { address: settings.appAddress, port: settings.userPort },
    {
      connectionsPerTarget: 0,
      connectTimeoutMs: settings.connectTimeout,
      idleTimeoutMs: settings.appIdleTimeout,
      maxHeadBytes: settings.maxHeaderBytes,
    },
    clock,
  );
}

function createReadiness(settings: SidecarSettings, clock: Clock): Readiness {
  const probes = parseAppProbes(
    settings.readinessProbe,
    settings.enableMultiContainerProbes,
    settings.userPort,
  );
  return new Readiness(
    probes,
    attemptProbe,
    {
      intervalMs: settings.probeInterval,
      attemptTimeoutMs: settings.probeAttemptTimeout,
      totalTimeoutMs: settings.probeTimeout,
    },
    clock,
  );
}

function createLimits(settings: SidecarSettings, clock: Clock): RequestLimits {
  return new RequestLimits(
    {
      requestMs: settings.requestTimeout * 1000,
      responseStartMs: settings.responseStartTimeout * 1000,
      idleMs: settings.idleTimeout * 1000,
    },
    clock,
  );
}

function createGate(settings: SidecarSettings): Gate | undefined {
  const concurrency = settings.containerConcurrency;
  if (concurrency <= 0) return undefined;
  return new Gate({ concurrency, queueDepth: concurrency * settings.queueDepthFactor });
}

/** Tells a drain that SIGTERM began from one that `/wait-for-drain` began, which is taken back. */
function createTermination(
  settings: SidecarSettings,
  clock: Clock,
  drainer: Drainer,
): { begin: () => void; scheduleReset: () => void } {
  let isTerminating = false;
  return {
    begin: () => void (isTerminating = true),
    scheduleReset: () =>
      void clock.setTimer(() => {
        if (!isTerminating) drainer.reset();
      }, settings.drainResetDelay),
  };
}

type Servers = Readonly<Record<"main" | "admin" | "stats" | "metrics", Server>>;

async function bindAll(servers: Servers, settings: SidecarSettings): Promise<Sidecar["ports"]> {
  const address = settings.bindAddress;
  try {
    const [main, admin, stats, metrics] = await Promise.all([
      listen(servers.main, settings.servingPort, address),
      listen(servers.admin, settings.adminPort, address),
      listen(servers.stats, settings.statsPort, address),
      listen(servers.metrics, settings.metricsPort, address),
    ]);
    return { main: main.port, admin: admin.port, stats: stats.port, metrics: metrics.port };
  } catch (error) {
    for (const server of Object.values(servers)) closeNow(server);
    throw error;
  }
}

/** No new connections. Idle ones end; the others end with their requests, and HTTP/2 clients are told. */
function createCloseStage(http1: Server, http2: Http2Listener): Stage {
  return {
    name: "close listener",
    timeoutMs: 1000,
    run() {
      http1.close();
      http1.closeIdleConnections();
      http2.goAway();
    },
  };
}

/** WebSockets would go on for ever: at the end of the grace they are told, and get a moment to say goodbye. */
function createInFlightStage(
  settings: SidecarSettings,
  clock: Clock,
  pipeline: Pipeline,
  forwarder: AppForwarder,
): Stage {
  return {
    name: "requests in flight",
    timeoutMs: settings.hijackDrain + 2 * goodbyeMs,
    async run(signal) {
      await Promise.race([pipeline.idle(), waitInStage(clock, settings.hijackDrain, signal)]);
      forwarder.endTunnels();
      await Promise.race([pipeline.idle(), waitInStage(clock, goodbyeMs, signal)]);
    },
  };
}

const goodbyeMs = 1000;

function closeNow(server: Server): void {
  server.close();
  server.closeAllConnections();
}
