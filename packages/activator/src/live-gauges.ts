import { Gauge, type Registry } from "@sluice/kit";
import type { ActiveRevision } from "./active-revision.ts";
import type { RevisionLabels } from "./revision-metrics.ts";

/** Whose state is shown: revisions that have requests or pods, and the labels of all that have series. */
export interface RevisionSource {
  active(): Iterable<ActiveRevision>;
  labels(): Iterable<RevisionLabels>;
}

const revisionGauges: readonly [name: string, help: string, read: (active: ActiveRevision) => number][] = [
  ["held_requests", "Requests that wait for a pod.", ({ throttler }) => throttler.held],
  [
    "inside_requests",
    "Requests inside, waiting or forwarded.",
    ({ throttler }) => throttler.held + throttler.inFlight,
  ],
  ["pods_known", "Pods in the feed.", ({ throttler }) => throttler.knownPods],
  ["pods_healthy", "Pods that passed this activator's probe.", ({ throttler }) => throttler.healthyPods],
];

/**
 * Gauges over what each revision has now, read when somebody scrapes. A revision that had anything keeps its series, at 0,
 * for as long as the feed has it, so that a graph does not break off where it comes to rest.
 */
export function addRevisionGauges(registry: Registry, source: RevisionSource): void {
  for (const [name, help, read] of revisionGauges) {
    const gauge: Gauge<"namespace" | "revision"> = new Gauge({
      name: `sluice_activator_${name}`,
      help,
      labelNames: ["namespace", "revision"],
      registers: [registry],
      collect() {
        gauge.reset();
        for (const labels of source.labels()) gauge.set({ ...labels }, 0);
        for (const active of source.active()) gauge.inc({ ...active.metrics.labels }, read(active));
      },
    });
  }
}

/** 1 for each aggregator whose connection for stats is open, else 0. */
export function addConnectionGauge(
  registry: Registry,
  listConnections: () => Iterable<{ readonly aggregator: string; readonly isOpen: boolean }>,
): void {
  const gauge: Gauge<"aggregator"> = new Gauge({
    name: "sluice_activator_stat_connections",
    help: "Whether the connection for stats to an aggregator is open.",
    labelNames: ["aggregator"],
    registers: [registry],
    collect() {
      gauge.reset();
      for (const { aggregator, isOpen } of listConnections()) gauge.set({ aggregator }, isOpen ? 1 : 0);
    },
  });
}
