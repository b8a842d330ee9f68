import { findOwner, toKey, type Decision, type ObjectKey, type Service } from "@sluice/core";
import type { ClusterBook } from "./cluster-book.ts";
import type { DeploymentRecord } from "./deployment-record.ts";
import { toSlice, type WantedSlice } from "./endpoint-slice.ts";
import type { MemberRecord } from "./pod-record.ts";
import type { ServiceRecord } from "./service-record.ts";

/** What has to be known to say who should be behind a Service. */
export interface WantedView {
  readonly book: ClusterBook;
  readonly serviceOf: (key: ObjectKey) => Service | undefined;
  readonly decisionOf: (record: DeploymentRecord) => Decision | undefined;
}

/** The activators that stand for a revision: the same ones whichever replica asks, another set for each revision. */
export function pickActivators(members: readonly MemberRecord[], key: string, count: number): MemberRecord[] {
  const left = new Map(
    members.filter((member) => member.ready && member.address !== "").map((member) => [member.name, member]),
  );
  const picked: MemberRecord[] = [];
  while (picked.length < count && left.size > 0) {
    const owner = left.get(findOwner(key, left.keys()) ?? "");
    if (owner === undefined) break;
    left.delete(owner.name);
    picked.push(owner);
  }
  return picked;
}

/** The only revision behind a service, where there is one: only then can callers go straight to pods. */
function findOnlyRevision(service: ServiceRecord, view: WantedView): DeploymentRecord | undefined {
  if (service.tag !== undefined) return undefined;
  const { namespace } = service;
  const traffic = view.serviceOf(toKey({ namespace, name: service.service }))?.traffic ?? [];
  const [entry, ...others] = traffic.filter(({ percent }) => percent > 0);
  if (entry === undefined || others.length > 0) return undefined;
  return view.book.deployments.get(toKey({ namespace, name: entry.revision }));
}

/** Who should be behind a Service: the pods of its one revision when the decision says so and one can take a request, else activators. */
export function findWantedSlice(service: ServiceRecord, view: WantedView): WantedSlice | undefined {
  const record = findOnlyRevision(service, view);
  const decision = record === undefined ? undefined : view.decisionOf(record);
  const pods = (record === undefined ? [] : view.book.podsOf(record)).filter(
    (pod) => pod.ready && !pod.terminating && pod.address !== "",
  );
  const [pod] = pods;
  if (pod !== undefined && decision?.mode === "serve") {
    return toSlice(service, "pods", pods, pod.ports.main);
  }
  const count = decision?.numActivators ?? Number.POSITIVE_INFINITY;
  const activators = pickActivators(view.book.members("activator"), toKey(service), Math.max(1, count));
  const port = activators[0]?.ports["internal"];
  // Without any activator what is there stays: an old address may still answer, none never does.
  return port === undefined ? undefined : toSlice(service, "activators", activators, port);
}
