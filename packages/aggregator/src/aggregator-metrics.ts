import type { StatFate } from "./fleet.ts";
import { addGauge, Counter, createMetrics, Histogram, type Registry } from "@sluice/kit";

export interface MetricsSources {
  readonly countRevisions: () => number;
  readonly countConnections: () => number;
  readonly countPendingStats: () => number;
  readonly countWatchers: () => number;
}

/** What the aggregator counts about itself. */
export interface AggregatorMetrics {
  readonly registry: Registry;
  /** Stats that arrived, by what became of them: plain numbers, since there are tens of thousands a second. */
  readonly stats: Record<StatFate | "forwarded", number>;
  readonly badMessages: Counter;
  readonly scrapes: Histogram<"result">;
}

export function createAggregatorMetrics(sources: MetricsSources): AggregatorMetrics {
  const registry = createMetrics();
  const registers = [registry];
  addGauge(registry, "sluice_aggregator_revisions", "Revisions that this aggregator decides for.", () =>
    sources.countRevisions(),
  );
  addGauge(registry, "sluice_aggregator_stat_connections", "Open stats connections.", () =>
    sources.countConnections(),
  );
  addGauge(
    registry,
    "sluice_aggregator_pending_stats",
    "Stats that wait for the feed to name their revision.",
    () => sources.countPendingStats(),
  );
  addGauge(registry, "sluice_aggregator_watchers", "Open watches of the scale endpoint.", () =>
    sources.countWatchers(),
  );
  const stats = { recorded: 0, pending: 0, refused: 0, "not-owned": 0, forwarded: 0 };
  const counter = new Counter({
    name: "sluice_aggregator_stats_total",
    help: "Stats that arrived, by what became of them.",
    labelNames: ["fate"],
    registers,
    collect() {
      counter.reset();
      for (const [fate, count] of Object.entries(stats)) counter.inc({ fate }, count);
    },
  });
  return {
    registry,
    stats,
    badMessages: new Counter({
      name: "sluice_aggregator_bad_messages_total",
      help: "Messages on stats connections that were no stats.",
      registers,
    }),
    scrapes: new Histogram({
      name: "kn_autoscaler_scrape_duration_seconds",
      help: "Time to gather the stats of one revision's pods.",
      labelNames: ["result"],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
  };
}
