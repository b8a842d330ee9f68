import {
  defaultAutoscalerConfig,
  kpaClass,
  parseScalingAnnotations,
  toKey,
  type Clock,
  type Decision,
  type FeedObject,
  type ObjectKey,
  type RevisionStat,
} from "@sluice/core";
import {
  AdminServer,
  CertificateFolder,
  createTokenFile,
  openFeed,
  toServerTrust,
  type Logger,
  type Stage,
} from "@sluice/kit";
import { createAggregatorMetrics } from "./aggregator-metrics.ts";
import type { AggregatorSettings } from "./aggregator-settings.ts";
import { ConfigFolder } from "./config-folder.ts";
import { DecisionBook } from "./decision-book.ts";
import { EvaluationLoop } from "./evaluation-loop.ts";
import { createExternalMetricsRoutes } from "./external-metrics-routes.ts";
import { FeedView, type FeedChange } from "./feed-view.ts";
import { Fleet } from "./fleet.ts";
import { Hearing } from "./hearing.ts";
import { Membership } from "./membership.ts";
import { PodScraper } from "./pod-scraper.ts";
import { createQueueRoute } from "./queue-route.ts";
import { registerRevisionMetrics } from "./revision-metrics.ts";
import { createScaleRoutes } from "./scale-routes.ts";
import { StateFile } from "./state-file.ts";
import { StatClient } from "./stat-client.ts";
import { StatServer } from "./stat-server.ts";
import { SteadyTime } from "./steady-time.ts";

export interface AggregatorOptions {
  readonly settings: AggregatorSettings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

export interface Aggregator {
  /** Where it listens. */
  readonly port: number;
  /** Where KEDA's external scaler listens; undefined when it is off. */
  readonly grpcPort: number | undefined;
  readonly stop: readonly Stage[];
}

/** Creates everything, joins it, and starts it. The way of a stat is in the package's README. */
export async function startAggregator(options: AggregatorOptions): Promise<Aggregator> {
  const { settings, clock, random, log } = options;
  const token = settings.tokenFile === undefined ? undefined : createTokenFile(settings.tokenFile);
  const time = new SteadyTime(clock);
  const feedView = new FeedView();
  const hearing = new Hearing(time);
  const book = new DecisionBook(clock);
  const membership = new Membership({
    self: settings.name,
    token,
    trust: toServerTrust(settings.certificateFolder, settings.certificateName),
    clock,
    random,
    log,
    onDecision: (decision) => believe(decision),
    onChange() {
      fleet.reassign();
      // What the new owner said while somebody else was thought to be the owner was not believed then.
      for (const decision of membership.decisions()) believe(decision);
    },
  });
  const believe = (decision: Decision): void => {
    const key = toKey(decision);
    const isOwner = decision.owner === membership.ownerOf(key) && decision.owner !== settings.name;
    if (isOwner && feedView.revisions.has(key)) book.put(key, decision);
  };
  const configFolder =
    settings.configFolder === undefined
      ? undefined
      : new ConfigFolder({ path: settings.configFolder, clock, log, onChange: (c) => fleet.setConfig(c) });
  const stateFile =
    settings.stateFolder === undefined
      ? undefined
      : new StateFile({ folder: settings.stateFolder, clock, time, scalers: () => fleet.scalers, log });
  const kept = await stateFile?.load();
  const fleet = new Fleet({
    owner: settings.name,
    time,
    feed: feedView,
    hearing,
    config: configFolder?.config ?? defaultAutoscalerConfig,
    isOwned: (key) => membership.isOwned(key),
    onForeignStats: (key, stats) => {
      const [namespace = "", name = ""] = key.split("/");
      forward(stats.map((stat) => ({ namespace, name, stat })));
    },
    sink: book,
    ...(kept === undefined ? {} : { kept }),
    log,
  });
  const metrics = createAggregatorMetrics({
    countRevisions: () => fleet.scalers.size,
    countConnections: () => hearing.connectionCount,
    countPendingStats: () => fleet.pending.count,
    countWatchers: () => book.hub.watcherCount,
  });
  registerRevisionMetrics(metrics.registry, () => fleet.scalers.values(), feedView);
  const forward = (batch: readonly RevisionStat[]): void => {
    const left = membership.forward(batch);
    metrics.stats.forwarded += batch.length - left.length;
    // Their aggregator cannot be reached; if it is dead, this one may be its heir.
    for (const message of left) fleet.keep(toKey(message), message.stat);
    metrics.stats.pending += left.length;
  };
  const record = (batch: readonly RevisionStat[], isForwarded: boolean): void => {
    const foreign: RevisionStat[] = [];
    const instant = time.instant();
    for (const message of batch) {
      const fate = fleet.record(toKey(message), message.stat, instant);
      if (fate === "not-owned" && !isForwarded) foreign.push(message);
      else metrics.stats[fate]++;
    }
    if (foreign.length > 0) forward(foreign);
  };
  const statServer = new StatServer({
    clock,
    hearing,
    log,
    onBatch: record,
    onBadMessage: () => metrics.badMessages.inc(),
  });
  const statClient = new StatClient();
  const scraper = new PodScraper({
    clock,
    feed: feedView,
    scalers: () => fleet.scalers,
    source: statClient,
    onStat: (key, stat) => void fleet.record(key, stat),
    onFailure: (scaler) => scaler.load.markActive(time.nowMs()),
    onScraped: (tookMs, isComplete) =>
      metrics.scrapes.observe({ result: isComplete ? "complete" : "failed" }, tookMs / 1000),
    random,
    log,
  });
  const loop = new EvaluationLoop<ObjectKey>({
    clock,
    list: () => {
      fleet.pending.expire(time.nowMs());
      return fleet.scalers.keys();
    },
    evaluate: (key) => {
      const scaler = fleet.scalers.get(key);
      if (scaler !== undefined) fleet.evaluate(key, scaler);
    },
  });
  const applyChange = (change: FeedChange): void => {
    if (change.membersChanged) {
      hearing.setActivators(feedView.activators.keys());
      membership.setMembers(feedView.aggregators);
    }
    fleet.apply(change);
  };
  const server = new AdminServer({
    address: settings.bindAddress,
    port: settings.port,
    log,
    metrics: metrics.registry,
    findUnready: () => (book.hub.isListed ? undefined : "the feed has not been read yet"),
    routes: [
      ...createScaleRoutes({ book, explainMissing: (key) => explainMissing(key, feedView, membership) }),
      ...createExternalMetricsRoutes({
        book,
        revisions: () => feedView.revisions,
        nowIso: () => new Date(clock.now()).toISOString(),
      }),
      createQueueRoute(() => fleet.scalers, time),
    ],
    ...(token === undefined ? {} : { token }),
    ...(settings.certificateFolder === undefined
      ? {}
      : { certificates: new CertificateFolder(settings.certificateFolder) }),
    onUpgrade: statServer.upgrade,
  });
  const { port } = await server.listen();
  const externalScaler = await startExternalScaler({ settings, book, clock });
  const feed = openFeed(settings.feed, {
    log,
    clock,
    random,
    acknowledgeAs: settings.name,
    trust: toServerTrust(settings.certificateFolder),
    ...(token === undefined ? {} : { token }),
    onSnapshot: (objects: ReadonlyMap<string, FeedObject>) => {
      applyChange(feedView.replaceAll(objects.values()));
      book.hub.markListed();
    },
    onPut: (_key, object) => applyChange(feedView.put(object)),
    onDelete: (_key, previous) => {
      if (previous !== undefined) applyChange(feedView.delete(previous));
    },
  });
  loop.start();
  scraper.start();
  stateFile?.start();
  log.info({ port }, "deciding");
  return {
    port,
    grpcPort: externalScaler?.port,
    stop: [
      {
        name: "stop deciding",
        timeoutMs: 1000,
        run() {
          loop.stop();
          scraper.stop();
        },
      },
      {
        name: "close listeners",
        timeoutMs: 5000,
        async run() {
          statServer.close();
          externalScaler?.scaler.close();
          book.hub.close();
          await server.close();
        },
      },
      {
        name: "keep state",
        timeoutMs: 5000,
        run: () => stateFile?.stop(),
      },
      {
        name: "infrastructure",
        timeoutMs: 5000,
        async run() {
          configFolder?.close();
          await Promise.all([feed.close(), membership.close(), statClient.close()]);
        },
      },
    ],
  };
}

/** Loaded only where somebody wants it: it doubles the size of the process's code. */
async function startExternalScaler(options: {
  readonly settings: AggregatorSettings;
  readonly book: DecisionBook;
  readonly clock: Clock;
}) {
  const { settings, book, clock } = options;
  if (settings.grpcPort === undefined) return undefined;
  const { ExternalScaler } = await import("./external-scaler.ts");
  const scaler = new ExternalScaler({ address: settings.bindAddress, port: settings.grpcPort, book, clock });
  return { scaler, port: await scaler.listen() };
}

function explainMissing(key: ObjectKey, feed: FeedView, membership: Membership): string {
  const revision = feed.revisions.get(key);
  if (revision === undefined) return `the feed names no revision ${key}`;
  const scalingClass = parseScalingAnnotations(revision.annotations).parsed.class ?? kpaClass;
  if (scalingClass !== kpaClass)
    return `revision ${key} is left to the autoscaler of its class, ${scalingClass}`;
  const owner = membership.ownerOf(key);
  if (owner === undefined) return `no aggregator is a member yet that could decide about ${key}`;
  return `revision ${key} has no decision of ${owner} yet: nothing is known about its load`;
}
