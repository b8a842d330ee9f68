import { systemClock, type Clock } from "@sluice/core";
import { Gate, RequestLimits, shareWithHttp2, toAuthority } from "@sluice/dataplane";
import type { Logger, Running } from "@sluice/kit";
import { AppForwarder } from "./app-forwarder.ts";
import { parseAppProbes } from "./app-probe.ts";
import { bindAll, closeNow, type Binding, type SidecarPorts } from "./bindings.ts";
import { createAdminListener, createStatsListener } from "./control-listeners.ts";
import { Drainer } from "./drainer.ts";
import { createHttp1Listener } from "./http1-listener.ts";
import { createHttp2Listener } from "./http2-listener.ts";
import { Pipeline } from "./pipeline.ts";
import { attemptProbe } from "./probe-attempt.ts";
import { Readiness } from "./readiness.ts";
import type { SidecarSettings } from "./settings.ts";
import { createStopStages, createTermination } from "./shutdown.ts";
import { createSidecarLogger } from "./sidecar-logger.ts";
import { StatReporter } from "./stat-reporter.ts";
import { createTelemetry } from "./telemetry.ts";
import { createTlsListener } from "./tls-listener.ts";

/** A running sidecar: where it listens, and how it stops. */
export interface Sidecar extends Running {
  readonly log: Logger;
  readonly ports: SidecarPorts;
}

/** Builds and binds everything. Rejects when a port cannot be bound; nothing stays open then. */
export async function startSidecar(settings: SidecarSettings, clock: Clock = systemClock): Promise<Sidecar> {
  const log = createSidecarLogger(settings);
  const drainer = new Drainer(clock, settings.quietPeriod);
  const termination = createTermination(settings.drainResetDelay, clock, drainer);
  const stats = new StatReporter(clock, settings.pod, settings.reportPeriod);
  const telemetry = await createTelemetry(settings, log);
  const forwarder = createForwarder(settings, clock);
  const pipeline = new Pipeline({
    clock,
    trust: settings.trustedPeers,
    drainer,
    prober: createReadiness(settings, clock, log),
    limits: createLimits(settings, clock),
    stats,
    appAuthority: toAuthority({ address: settings.appAddress, port: settings.userPort }),
    gate: createGate(settings),
    recorders: telemetry.recorders,
    tracer: telemetry.tracer,
  });
  const http1 = createHttp1Listener(pipeline, forwarder, {
    clock,
    headerTimeoutMs: settings.headerTimeout,
    maxHeaderBytes: settings.maxHeaderBytes,
    // Idle connections are the client's business, as with Knative: an activator keeps its own for long.
    keepAliveTimeoutMs: 0,
  });
  const http2 = createHttp2Listener(pipeline, forwarder, {
    headerTimeoutMs: settings.headerTimeout,
    maxHeaderBytes: settings.maxHeaderBytes,
    clock,
  });
  shareWithHttp2(http1, http2, settings.headerTimeout, clock);
  const tls = createTlsListener(settings, { http1, http2 }, log);
  const bindings: Binding[] = [
    { name: "main", server: http1, port: settings.servingPort },
    {
      name: "admin",
      server: createAdminListener(drainer, termination.scheduleReset),
      port: settings.adminPort,
    },
    { name: "stats", server: createStatsListener(stats), port: settings.statsPort },
    ...telemetry.bindings,
  ];
  if (tls !== undefined) bindings.push({ name: "tls", server: tls.server, port: settings.servingTlsPort });
  const ports = await bindAll(bindings, settings.bindAddress);
  const reporting = setInterval(() => stats.report(), settings.reportPeriod);
  const rotation = setInterval(() => tls?.reload(), settings.certificateReload);
  log.info({ ports, app: settings.userPort }, "sidecar serves");
  return {
    log,
    ports,
    stop: createStopStages({
      clock,
      drainer,
      pipeline,
      forwarder,
      http1,
      http2,
      hijackDrainMs: settings.hijackDrain,
      beginTermination: termination.beginTermination,
      async closeAll() {
        clearInterval(reporting);
        clearInterval(rotation);
        for (const { server } of bindings) closeNow(server);
        http2.close();
        forwarder.close();
        await telemetry.shutdown();
      },
    }),
  };
}

function createForwarder(settings: SidecarSettings, clock: Clock): AppForwarder {
  return new AppForwarder(
    { address: settings.appAddress, port: settings.userPort },
    {
      connectTimeoutMs: settings.connectTimeout,
      idleTimeoutMs: settings.appIdleTimeout,
      // As many as can be busy at once; without a limit as many as Knative keeps.
      maxIdlePerTarget: settings.containerConcurrency > 0 ? settings.containerConcurrency : 1000,
      maxHeadBytes: settings.maxHeaderBytes,
    },
    clock,
  );
}

function createReadiness(settings: SidecarSettings, clock: Clock, log: Logger): Readiness {
  const probes = parseAppProbes(settings.readinessProbe, settings.userPort);
  for (const probe of probes) {
    if (probe.kind === "impossible")
      log.error(
        `the app is never ready: SERVING_READINESS_PROBE: ${probe.why}; use httpGet, tcpSocket or grpc`,
      );
  }
  const timing = {
    intervalMs: settings.probeInterval,
    attemptTimeoutMs: settings.probeAttemptTimeout,
    totalTimeoutMs: settings.probeTimeout,
  };
  const attempt = (probe: Parameters<typeof attemptProbe>[0], timeoutMs: number): Promise<boolean> =>
    attemptProbe(probe, timeoutMs, settings.enableHttp2Detection);
  return new Readiness(probes, attempt, timing, clock);
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
