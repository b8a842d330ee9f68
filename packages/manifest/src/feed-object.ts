import type { Applied, Failure, Revision, Service } from "@sluice/core";
import { toHosts } from "./host.ts";
import { toDataPlaneAnnotations, toServiceAnnotations } from "./names.ts";
import type { Workload } from "./workload.ts";

type TrafficEntry = Service["traffic"][number];

/**
 * The split over revisions that exist: the newest one stands where no revision is named, shares of one revision are
 * summed, and each tag has an entry of its own with percent 0.
 */
function toTraffic(workload: Workload, latestRevision: string): TrafficEntry[] {
  const shares = new Map<string, number>();
  const tagged: TrafficEntry[] = [];
  for (const target of workload.traffic) {
    const revision = target.revision ?? latestRevision;
    shares.set(revision, (shares.get(revision) ?? 0) + target.percent);
    if (target.tag !== undefined) tagged.push({ revision, percent: 0, tag: target.tag });
  }
  const split = [...shares].flatMap(([revision, percent]) => (percent > 0 ? [{ revision, percent }] : []));
  return [...split, ...tagged];
}

/** What the feed says about a service, given the domains of the platform and the newest revision that may get traffic. */
export function toFeedService(
  workload: Workload,
  facts: { readonly domains: readonly string[]; readonly latestRevision: string },
): Service {
  return {
    kind: "service",
    namespace: workload.namespace,
    name: workload.name,
    hosts: toHosts(workload, facts.domains),
    traffic: toTraffic(workload, facts.latestRevision),
    annotations: toServiceAnnotations(workload.annotations),
  };
}

/** What the platform knows about a revision and a manifest does not. */
export interface RevisionFacts {
  readonly name: string;
  readonly createdAt: string;
  readonly applied: Applied;
  readonly failure?: Failure;
}

/** What the feed says about a revision. It is reachable when `service` leads to it, by a share or by a tag. */
export function toFeedRevision(workload: Workload, service: Service, facts: RevisionFacts): Revision {
  const { template } = workload;
  const { readinessProbe, startupProbe } = template.serving;
  return {
    kind: "revision",
    namespace: workload.namespace,
    name: facts.name,
    service: workload.name,
    containerConcurrency: template.containerConcurrency,
    protocol: template.protocol,
    timeouts: { ...template.timeouts },
    annotations: toDataPlaneAnnotations(template.annotations),
    readiness: {
      probe: readinessProbe?.handler.kind ?? "tcp",
      hasStartupProbe: startupProbe !== undefined,
    },
    reachable: service.traffic.some((entry) => entry.revision === facts.name),
    createdAt: facts.createdAt,
    ...(facts.failure === undefined ? {} : { failure: facts.failure }),
    applied: facts.applied,
  };
}
