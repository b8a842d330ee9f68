import { toKey } from "@sluice/core";
import { formatProblem, names, type Problem } from "@sluice/manifest";
import type { ClusterBook } from "./cluster-book.ts";
import type { DeploymentRecord } from "./deployment-record.ts";
import type { EventTarget, EventText } from "./event-writer.ts";
import type { RefusedHost } from "./host-claims.ts";
import type { ServiceRecord } from "./service-record.ts";

export function toDeploymentTarget(record: DeploymentRecord): EventTarget {
  const { namespace, name, uid } = record;
  return { apiVersion: "apps/v1", kind: "Deployment", namespace, name, uid };
}

export function toServiceTarget(record: ServiceRecord): EventTarget {
  const { namespace, name, uid } = record;
  return { apiVersion: "v1", kind: "Service", namespace, name, uid };
}

function toWarning(message: string): EventText {
  return { type: "Warning", reason: "Refused", message };
}

/** What is wrong with a Deployment, one event for all of it; undefined when nothing is. */
export function toProblemEvent(record: DeploymentRecord): EventText | undefined {
  if (record.problems.length === 0) return undefined;
  return toWarning(record.problems.map(formatProblem).join("; "));
}

/** The event of each host that a service did not get, on the object that asked for it. */
export function toRefusalEvents(
  refused: readonly RefusedHost[],
  book: ClusterBook,
): { target: EventTarget; text: EventText }[] {
  return refused.flatMap(({ namespace, service, host, rule }) => {
    const key = toKey({ namespace, name: service });
    const deployment = book.deployments.get(key);
    const record = book.services.get(key);
    const target =
      deployment === undefined ? record && toServiceTarget(record) : toDeploymentTarget(deployment);
    if (target === undefined) return [];
    const problem = {
      object: `${target.kind} ${namespace}/${target.name}`,
      field: `metadata.annotations[${names.hosts}]`,
      rule,
      value: host,
    };
    return [{ target, text: toWarning(formatProblem(problem)) }];
  });
}

/** Why a Service cannot be led to activators and pods; undefined when it can. */
export function findServiceFault(record: ServiceRecord, book: ClusterBook): Problem | undefined {
  const object = `Service ${record.namespace}/${record.name}`;
  if (record.hasSelector) {
    const rule =
      "must not be set: Kubernetes would add pods by itself, past the activators; sluice inject takes it out";
    return { object, field: "spec.selector", rule };
  }
  if (record.annotations[names.traffic] !== undefined && record.traffic === undefined) {
    const rule = "must be a list of revision, percent and tag whose percents sum to 100";
    const value = record.annotations[names.traffic];
    return { object, field: `metadata.annotations[${names.traffic}]`, rule, value };
  }
  const first = findFirst(record, book);
  if (first === record.name) return undefined;
  const rule = `must be used by one Service only; ${first} was first`;
  return { object, field: `metadata.labels[${names.service}]`, rule, value: record.service };
}

/** Of several Services that stand for the same, the oldest counts. */
function findFirst(record: ServiceRecord, book: ClusterBook): string {
  const rivals = book
    .servicesOf(record.namespace, record.service)
    .filter((other) => other.tag === record.tag && !other.hasSelector);
  const byAge = rivals.toSorted((a, b) => (`${a.createdAt} ${a.name}` < `${b.createdAt} ${b.name}` ? -1 : 1));
  return byAge[0]?.name ?? record.name;
}

export function toServiceEvent(record: ServiceRecord, book: ClusterBook): EventText | undefined {
  const fault = findServiceFault(record, book);
  return fault === undefined ? undefined : toWarning(formatProblem(fault));
}

/** Everything that is wrong with Deployments and Services, for a replica that begins to write. */
export function toStandingEvents(book: ClusterBook): { target: EventTarget; text: EventText }[] {
  const ofDeployments = [...book.deployments.values()].map((record) => ({
    target: toDeploymentTarget(record),
    text: toProblemEvent(record),
  }));
  const ofServices = [...book.services.values()].map((record) => ({
    target: toServiceTarget(record),
    text: toServiceEvent(record, book),
  }));
  return [...ofDeployments, ...ofServices].flatMap(({ target, text }) =>
    text === undefined ? [] : [{ target, text }],
  );
}
