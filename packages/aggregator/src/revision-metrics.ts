import { toKey, type Decision, type Revision } from "@sluice/core";
import { Gauge, type Registry } from "@sluice/kit";
import type { FeedView } from "./feed-view.ts";
import type { RevisionScaler } from "./revision-scaler.ts";

/** One revision at the time of a scrape. */
interface Sample {
  readonly revision: Revision;
  readonly decision: Decision;
  readonly scaler: RevisionScaler;
  readonly pods: PodCounts;
}

interface PodCounts {
  readonly ready: number;
  readonly notReady: number;
  readonly terminating: number;
}

interface RevisionGauge {
  readonly name: string;
  readonly help: string;
  /** Undefined where it does not apply to the revision. */
  readonly read: (sample: Sample) => number | undefined;
}

const labelNames = [
  "kn_configuration_name",
  "kn_revision_name",
  "kn_service_name",
  "k8s_namespace_name",
] as const;

/** Knative's metrics of a revision's scale (reference §3.9), in the names that its Prometheus exporter gives them. */
const gauges: readonly RevisionGauge[] = [
  {
    name: "kn_revision_pods_desired",
    help: "Pods that load asks for.",
    read: ({ decision }) => decision.recommendedPods,
  },
  {
    name: "kn_revision_pods_requested",
    help: "Pods that the platform is told to run.",
    read: ({ decision }) => decision.desiredPods,
  },
  { name: "kn_revision_pods_count", help: "Pods that are ready.", read: ({ pods }) => pods.ready },
  {
    name: "kn_revision_pods_not_ready_count",
    help: "Pods that are not ready and not terminating.",
    read: ({ pods }) => pods.notReady,
  },
  {
    name: "kn_revision_pods_pending_count",
    help: "Pods that the platform runs by its own word and that do not exist yet.",
    read: ({ revision, pods }) => Math.max(0, revision.applied.replicas - pods.ready - pods.notReady),
  },
  {
    name: "kn_revision_pods_terminating_count",
    help: "Pods on their way out.",
    read: ({ pods }) => pods.terminating,
  },
  {
    name: "kn_revision_capacity_excess",
    help: "Capacity that is left after a burst of the configured size.",
    read: ({ decision }) => decision.excessBurstCapacity,
  },
  {
    name: "kn_revision_panic_mode",
    help: "1 while the revision is in panic mode.",
    read: ({ decision }) => (decision.inPanicMode ? 1 : 0),
  },
  ...createLoadGauges("concurrency", "Requests in flight"),
  ...createLoadGauges("rps", "Requests per second"),
];

function createLoadGauges(metric: "concurrency" | "rps", what: string): RevisionGauge[] {
  const ifMeasured =
    (read: (decision: Decision) => number) =>
    ({ scaler, decision }: Sample): number | undefined =>
      scaler.facts.spec.metric === metric ? read(decision) : undefined;
  return [
    {
      name: `kn_revision_${metric}_stable`,
      help: `${what}, averaged over the stable window.`,
      read: ifMeasured((decision) => decision.stableValue),
    },
    {
      name: `kn_revision_${metric}_panic`,
      help: `${what}, averaged over the panic window.`,
      read: ifMeasured((decision) => decision.panicValue),
    },
    {
      name: `kn_revision_${metric}_target`,
      help: `${what} that one pod is meant to have.`,
      read: ifMeasured((decision) => decision.targetValue),
    },
  ];
}

/** Registers the gauges; each is read when somebody scrapes, of the revisions that this aggregator decides for. */
export function registerRevisionMetrics(
  registry: Registry,
  scalers: () => Iterable<RevisionScaler>,
  feed: FeedView,
): void {
  for (const { name, help, read } of gauges) {
    const gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        gauge.reset();
        for (const scaler of scalers()) {
          const { decision, facts } = scaler;
          if (decision === undefined) continue;
          const { revision } = facts;
          const value = read({ revision, decision, scaler, pods: countPods(revision, feed) });
          if (value !== undefined) gauge.set(toLabels(revision), value);
        }
      },
    });
  }
}

function toLabels(revision: Revision): Record<(typeof labelNames)[number], string> {
  return {
    kn_configuration_name: revision.service,
    kn_revision_name: revision.name,
    kn_service_name: revision.service,
    k8s_namespace_name: revision.namespace,
  };
}

function countPods(revision: Revision, feed: FeedView): PodCounts {
  const counts = { ready: 0, notReady: 0, terminating: 0 };
  for (const pod of feed.podsOf(toKey(revision))) {
    if (pod.terminating) counts.terminating++;
    else if (pod.ready) counts.ready++;
    else counts.notReady++;
  }
  return counts;
}
