import type { Catalog } from "./catalog.ts";
import type { Pod } from "./pod.ts";
import type { RevisionRunner } from "./revision-runner.ts";
import type { ServiceRunner } from "./service-runner.ts";
import type { PodView, RevisionView, ServiceView } from "./view.ts";

export function viewServices(catalog: Catalog, publicPort: number): ServiceView[] {
  return [...catalog.services.values()].map((service) => viewService(service, publicPort));
}

export function viewRevisions(catalog: Catalog): RevisionView[] {
  return catalog.revisions.map(viewRevision);
}

export function viewPods(catalog: Catalog): PodView[] {
  return catalog.revisions.flatMap((revision) => revision.pods.flatMap((pod) => viewPod(pod) ?? []));
}

function viewService(service: ServiceRunner, publicPort: number): ServiceView {
  const { namespace, name, hosts, traffic } = service.toFeed();
  const open = hosts.filter(({ visibility, tag }) => visibility === "public" && tag === undefined);
  // Browsers and curl resolve names below `localhost` to this machine without any set-up.
  const local = open.find(({ host }) => host.endsWith(".localhost")) ?? open[0];
  const failure = service.latest?.failure;
  return {
    namespace,
    name,
    url: local === undefined ? "" : `http://${local.host}:${publicPort}`,
    host: open[0]?.host ?? "",
    latestRevision: service.latest?.spec.name ?? "",
    traffic: traffic.map(({ revision, percent, tag }) => ({
      revision,
      percent,
      ...(tag === undefined ? {} : { tag }),
    })),
    ready: sum(service.revisions, (revision) => revision.readyCount),
    pods: sum(service.revisions, (revision) => revision.podCount),
    ...(failure === undefined ? {} : { failure }),
  };
}

function viewRevision(runner: RevisionRunner): RevisionView {
  const { namespace, name, service, reachable, applied, failure } = runner.toFeed();
  const { decision } = runner;
  return {
    namespace,
    name,
    service,
    reachable,
    pods: runner.podCount,
    ready: runner.readyCount,
    ...(decision === undefined ? {} : { desired: decision.desiredPods }),
    mode: applied.mode,
    inFlight: decision?.inFlight ?? 0,
    held: decision?.held ?? 0,
    requestsPerSecond: decision?.requestsPerSecond ?? 0,
    isPanicking: decision?.inPanicMode ?? false,
    reason: decision?.reason ?? "not decided yet",
    ...(failure === undefined ? {} : { failure }),
  };
}

function viewPod(pod: Pod): PodView | undefined {
  const object = pod.toFeed();
  if (object === undefined) return undefined;
  const { namespace, name, revision, address, ports, startedAt, failure } = object;
  const state = pod.isTerminating
    ? "terminating"
    : pod.isReady
      ? "ready"
      : failure === undefined
        ? "starting"
        : "failing";
  return {
    namespace,
    name,
    revision,
    address,
    port: ports.main,
    state,
    startedAt,
    processes: pod.processes,
    ...(failure === undefined ? {} : { failure }),
  };
}

function sum(revisions: readonly RevisionRunner[], count: (revision: RevisionRunner) => number): number {
  return revisions.reduce((total, revision) => total + count(revision), 0);
}
