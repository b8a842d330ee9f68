import {
  defaultAutoscalerConfig,
  toKey,
  type Clock,
  type Decision,
  type FeedObject,
  type ObjectKey,
  type RevisionStat,
} from "@sluice/core";
import { AdminServer, openFeed, WatchHub, type Logger, type Stage, type TokenSource } from "@sluice/kit";
import { readFileSync } from "node:fs";
import { createAggregatorMetrics } from "./aggregator-metrics.ts";
import type { AggregatorSettings } from "./aggregator-settings.ts";
import { ConfigFolder } from "./config-folder.ts";
import { EvaluationLoop } from "./evaluation-loop.ts";
import { FeedView, type FeedChange } from "./feed-view.ts";
import { Fleet } from "./fleet.ts";
import { Hearing } from "./hearing.ts";
import { PodScraper } from "./pod-scraper.ts";
import { createScaleRoutes } from "./scale-routes.ts";
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
  readonly stop: readonly Stage[];
}

/** Creates everything, joins it, and starts it. The way of a stat is in the package's README. */
export async function startAggregator(options: AggregatorOptions): Promise<Aggregator> {
  const { settings, clock, log } = options;
  const time = new SteadyTime(clock);
  const token = toTokenSource(settings.tokenFile);
  const feedView = new FeedView();
  const hearing = new Hearing(time);
  const hub = new WatchHub<Decision>({ clock });
  const configFolder =
    settings.configFolder === undefined
      ? undefined
      : new ConfigFolder({ path: settings.configFolder, clock, log, onChange: (c) => fleet.setConfig(c) });
  const fleet = new Fleet({
    owner: settings.name,
    time,
    feed: feedView,
    hearing,
    config: configFolder?.config ?? defaultAutoscalerConfig,
    isOwned: () => true,
    sink: {
      put: (key, decision) => void hub.set(key, decision),
      delete: (key) => void hub.delete(key),
    },
    log,
  });
  const metrics = createAggregatorMetrics({
    countRevisions: () => fleet.scalers.size,
    countConnections: () => hearing.connectionCount,
    countPendingStats: () => fleet.pending.count,
    countWatchers: () => hub.watcherCount,
  });
  const record = (batch: readonly RevisionStat[]): void => {
    for (const message of batch) metrics.stats.inc({ fate: fleet.record(toKey(message), message.stat) });
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
    random: options.random,
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
    if (change.membersChanged) hearing.setActivators(feedView.activators.keys());
    fleet.apply(change);
  };
  const server = new AdminServer({
    address: settings.bindAddress,
    port: settings.port,
    log,
    metrics: metrics.registry,
    findUnready: () => (hub.isListed ? undefined : "the feed has not been read yet"),
    routes: createScaleRoutes({
      hub,
      find: (key) => fleet.scalers.get(key)?.decision,
      findHistory: (key) => fleet.scalers.get(key)?.history.entries ?? [],
      explainMissing: (key) => explainMissing(key, feedView, hub.isListed),
    }),
    ...(token === undefined ? {} : { token }),
    onUpgrade: statServer.upgrade,
  });
  const { port } = await server.listen();
  const feed = openFeed(settings.feed, {
    log,
    clock,
    random: options.random,
    acknowledgeAs: settings.name,
    ...(token === undefined ? {} : { token }),
    onSnapshot: (objects: ReadonlyMap<string, FeedObject>) => {
      applyChange(feedView.replaceAll(objects.values()));
      hub.markListed();
    },
    onPut: (_key, object) => applyChange(feedView.put(object)),
    onDelete: (_key, previous) => {
      if (previous !== undefined) applyChange(feedView.delete(previous));
    },
  });
  loop.start();
  scraper.start();
  log.info({ port }, "deciding");
  return {
    port,
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
          hub.close();
          await server.close();
        },
      },
      {
        name: "infrastructure",
        timeoutMs: 5000,
        async run() {
          configFolder?.close();
          await Promise.all([feed.close(), statClient.close()]);
        },
      },
    ],
  };
}

/** Mounted tokens rotate, so the file is read at each use. */
function toTokenSource(file: string | undefined): TokenSource | undefined {
  return file === undefined ? undefined : () => readFileSync(file, "utf8").trim();
}

function explainMissing(key: ObjectKey, feed: FeedView, isListed: boolean): string {
  if (!isListed) return "the feed has not been read yet; try again";
  const revision = feed.revisions.get(key);
  if (revision === undefined) return `the feed names no revision ${key}`;
  return `revision ${key} has no decision yet: nothing is known about its load`;
}
