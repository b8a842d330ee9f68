import { systemClock, toKey, type CancelTimer, type Clock, type FeedObject } from "@sluice/core";
import { DeadlineQueue, Http2Pool, TargetPools, UpstreamPool } from "@sluice/dataplane";
import {
  addGauge,
  AdminServer,
  createMetrics,
  createTokenFile,
  openFeed,
  toServerTrust,
  waitInStage,
  type Logger,
  type Stage,
  type WatchReader,
} from "@sluice/kit";
import { ActiveRevision } from "./active-revision.ts";
import type { ActivatorSettings } from "./activator-settings.ts";
import { CertificateStore } from "./certificate-store.ts";
import { ConcurrencyReporter } from "./concurrency-reporter.ts";
import { Drain } from "./drain.ts";
import { FeedView } from "./feed-view.ts";
import { Gateway, TlsGateway, type GatewayOptions, type Listening } from "./gateway.ts";
import { HoldBudget } from "./hold-budget.ts";
import { LimitsBook } from "./limits-book.ts";
import { addConnectionGauge, addRevisionGauges } from "./live-gauges.ts";
import { Pipeline, type PipelineContext } from "./pipeline.ts";
import { createPodProbe } from "./pod-probe.ts";
import { PodForwarder } from "./pod-forwarder.ts";
import { PodProber } from "./pod-prober.ts";
import { RevisionBook } from "./revision-book.ts";
import { ActivatorMetrics } from "./revision-metrics.ts";
import { RouteTable } from "./route-table.ts";
import { runReports, StatSender } from "./stat-sender.ts";

/** A running activator. */
export interface Activator {
  readonly publicPort: number;
  readonly internalPort: number;
  readonly adminPort: number;
  /** Only with certificates. */
  readonly tlsPort: number | undefined;
  /** Resolves when the first snapshot of the feed has been applied. */
  readonly ready: Promise<void>;
  /** In order; see `runStopStages`. */
  readonly stop: readonly Stage[];
}

export interface ActivatorOptions {
  readonly settings: ActivatorSettings;
  readonly log: Logger;
  readonly clock?: Clock;
  /** Numbers in [0, 1). */
  readonly random?: () => number;
}

/** A sidecar answers at once, whatever its app does; one that does not is on a machine that is gone. */
const podSilenceMs = 5000;

/** Builds an activator and binds its listeners. The one place that knows all of its parts. */
export async function startActivator(options: ActivatorOptions): Promise<Activator> {
  const { settings, log, clock = systemClock, random = Math.random } = options;
  const token = settings.token === undefined ? undefined : createTokenFile(settings.token);
  const registry = createMetrics();
  const metrics = new ActivatorMetrics(registry, settings.metricRevisions);
  const budget = new HoldBudget({
    process: { maxRequests: settings.maxHeldRequests, maxBytes: settings.maxHeldBytes },
    revision: {
      maxRequests: settings.maxHeldRequestsPerRevision,
      maxBytes: settings.maxHeldBytesPerRevision,
    },
  });
  const connections = {
    connectTimeoutMs: settings.connectTimeoutMs,
    idleTimeoutMs: settings.idleTimeoutMs,
    maxIdlePerTarget: settings.maxIdlePerPod,
    maxHeadBytes: settings.maxHeaderBytes,
  };
  const pools = new TargetPools((target) => new UpstreamPool(target, connections, clock));
  const http2Pools = new TargetPools(
    (target) => new Http2Pool(target, { ...connections, silenceMs: podSilenceMs }, clock),
  );
  const prober = new PodProber({
    clock,
    probe: createPodProbe(pools, clock),
    timeoutMs: settings.probeTimeoutMs,
    intervalMs: settings.probeIntervalMs,
  });
  const limits = new LimitsBook(clock);
  const revisions = new RevisionBook({
    findRevision(key) {
      const object = feed.objects.get(`revision/${key}`);
      return object?.kind === "revision" ? object : undefined;
    },
    activate: (key, revision) =>
      new ActiveRevision(key, revision, {
        budget,
        clock,
        random,
        prober,
        limits,
        metrics: metrics.forRevision(revision.namespace, revision.name),
        onPodGone({ address, ports }) {
          pools.drop({ address, port: ports.main });
          http2Pools.drop({ address, port: ports.h2c ?? ports.main });
        },
      }),
    onGone: (key) => metrics.forget(key),
  });
  const sender = new StatSender({
    activator: settings.podName,
    token,
    trust: toServerTrust(settings.certificateFolder, settings.certificateName),
    clock,
    log,
    random,
    onOpen: (aggregator) => reporter.resend(aggregator),
  });
  const reporter = new ConcurrencyReporter({
    name: settings.podName,
    clock,
    sink: sender,
    countHeld: (key) => revisions.find(key)?.throttler.held ?? 0,
  });
  const routes = new RouteTable(random);
  const view = new FeedView({ name: settings.podName, routes, revisions, aggregators: sender });
  const drain = new Drain();
  const feed: WatchReader<FeedObject> = openFeed(settings.feed, {
    log,
    clock,
    acknowledgeAs: settings.podName,
    trust: toServerTrust(settings.certificateFolder),
    ...(token !== undefined && { token }),
    onSnapshot: (objects, previous) => view.onSnapshot(objects, previous),
    onPut: (key, object, previous) => view.onPut(key, object, previous),
    onDelete: (key, previous) => view.onDelete(key, previous),
  });
  const findUnready = (): string | undefined => {
    if (drain.isDraining) return "received SIGTERM from kubelet";
    return feed.version === undefined ? "the feed has not been read yet" : undefined;
  };
  const context: PipelineContext = {
    clock,
    reporter,
    forwarder: new PodForwarder({ clock, pools, http2Pools }),
    routes,
    revisions,
    findUnready,
    hasServerTiming: settings.serverTiming,
    maxRetries: settings.maxRetries,
    holdLimit: settings.maxHoldMs > 0 ? new DeadlineQueue("hold", settings.maxHoldMs, clock) : undefined,
    findService: ({ namespace, service }) => routes.service(toKey({ namespace, name: service })),
    isAutoscalerReachable: () => sender.openConnections > 0,
    isDraining: () => drain.isDraining,
    onUnrouted: () => metrics.unrouted.inc(),
    isRouted: () => feed.version !== undefined,
    onBegin: (exchange) => drain.enter(exchange),
    onOver(exchange) {
      revisions.release(exchange.active);
      drain.leave(exchange);
    },
  };
  addGauge(registry, "sluice_activator_held_bytes", "What waiting requests weigh.", () => budget.bytes);
  addRevisionGauges(registry, { labels: () => metrics.labels(), active: () => revisions.active });
  addConnectionGauge(registry, () => sender.connections());

  const mayForward = settings.trustedProxies;
  const gatewayOptions: GatewayOptions = {
    clock,
    headerTimeoutMs: settings.headerTimeoutMs,
    maxHeaderBytes: settings.maxHeaderBytes,
  };
  const publicGateway = new Gateway(
    new Pipeline(context, { isInternal: false, isSecure: false, mayForward }),
    gatewayOptions,
  );
  const internalGateway = new Gateway(
    new Pipeline(context, { isInternal: true, isSecure: false, mayForward: () => true }),
    gatewayOptions,
  );
  const admin = new AdminServer({
    address: settings.bindAddress,
    port: settings.adminPort,
    log,
    metrics: registry,
    findUnready,
  });
  const adminPort = (await admin.listen()).port;
  await publicGateway.listen(settings.publicPort, settings.bindAddress);
  await internalGateway.listen(settings.internalPort, settings.bindAddress);
  const tls =
    settings.tlsFolders.length === 0
      ? undefined
      : new TlsGateway(
          new Pipeline(context, { isInternal: false, isSecure: true, mayForward }),
          new CertificateStore(settings.tlsFolders, log),
          gatewayOptions,
        );
  await tls?.listen(settings.tlsPort, settings.bindAddress);
  const stopReloads =
    tls === undefined ? undefined : runEvery(clock, settings.tlsReloadMs, () => tls.reload());
  const stopReports = runReports(clock, (second) => reporter.report(second));

  const gateways: Listening[] = [publicGateway, internalGateway];
  if (tls !== undefined) gateways.push(tls);
  const stop: readonly Stage[] = [
    { name: "unready", timeoutMs: 1000, run: () => drain.begin() },
    {
      name: "wait for propagation",
      timeoutMs: settings.propagationWaitMs + 1000,
      run: (signal) => waitInStage(clock, settings.propagationWaitMs, signal),
    },
    {
      name: "close listeners",
      timeoutMs: 1000,
      run() {
        for (const gateway of gateways) gateway.stopListening();
      },
    },
    { name: "drain", timeoutMs: settings.drainTimeoutMs, run: () => drain.waitForEmpty() },
    {
      name: "infrastructure",
      timeoutMs: 5000,
      async run() {
        stopReports();
        stopReloads?.();
        for (const gateway of gateways) gateway.closeAll();
        prober.close();
        // What ended since the last report must not look as if it were still inside.
        reporter.report(Math.floor(clock.now() / 1000) + 1);
        sender.close();
        http2Pools.close();
        pools.close();
        await Promise.all([feed.close(), admin.close()]);
      },
    },
  ];
  return {
    publicPort: publicGateway.port,
    internalPort: internalGateway.port,
    adminPort,
    tlsPort: tls?.port,
    ready: feed.ready,
    stop,
  };
}

function runEvery(clock: Clock, intervalMs: number, run: () => void): CancelTimer {
  let cancel: CancelTimer;
  const arm = (): void => {
    cancel = clock.setTimer(() => {
      run();
      arm();
    }, intervalMs);
  };
  arm();
  return () => cancel();
}
