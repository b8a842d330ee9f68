import { toKey, type FeedObject } from "@sluice/core";
import type { WatchHub } from "@sluice/kit";
import type { ClusterBook } from "./cluster-book.ts";
import type { ClusterHandlers } from "./cluster.ts";
import type { DecisionApplier } from "./decision-applier.ts";
import type { DeploymentRecord } from "./deployment-record.ts";
import type { EndpointWriter } from "./endpoint-writer.ts";
import type { EventWriter } from "./event-writer.ts";
import type { FeedPublisher } from "./feed-publisher.ts";
import type { MemberRecord, PodRecord } from "./pod-record.ts";
import { toDeploymentTarget, toProblemEvent, toServiceEvent, toServiceTarget } from "./refusal-event.ts";
import type { ServiceRecord } from "./service-record.ts";

export interface ClusterHandlerOptions {
  readonly book: ClusterBook;
  readonly publisher: FeedPublisher;
  readonly applier: DecisionApplier;
  readonly endpoints: EndpointWriter;
  readonly events: EventWriter;
  readonly isWriter: () => boolean;
  readonly hub: WatchHub<FeedObject>;
}

/** Whether a change of a Deployment can change who has which host or which split, or whose its pods are. */
function isServiceNews(record: DeploymentRecord, previous: DeploymentRecord | undefined): boolean {
  return (
    previous === undefined ||
    (record.revision === undefined) !== (previous.revision === undefined) ||
    JSON.stringify([record.ownService, record.service]) !==
      JSON.stringify([previous.ownService, previous.service])
  );
}

/** What each change in the cluster means: the book first, then the feed, then what this replica writes. */
export function createClusterHandlers(options: ClusterHandlerOptions): ClusterHandlers {
  const { book, publisher, applier, endpoints, events, isWriter, hub } = options;

  /** Before everything is listed there is nothing to claim: it is done once for all then. */
  function publishServices(): void {
    if (hub.isListed) publisher.publishServices();
  }

  function deleteDeployment(record: DeploymentRecord): void {
    const pods = book.podsOf(record);
    book.deleteDeployment(record);
    publisher.deleteRevision(record);
    for (const pod of pods) publisher.publishPod(pod);
    applier.drop(toKey(record));
    publishServices();
  }

  function putDeployment(record: DeploymentRecord, previous: DeploymentRecord | undefined): void {
    // Deleted and made anew while no watch ran.
    if (previous !== undefined && previous.uid !== record.uid) deleteDeployment(previous);
    const before = book.deployments.get(toKey(record));
    const merged = book.setDeployment(record);
    publisher.publishRevision(merged);
    if (isServiceNews(merged, before)) {
      publishServices();
      for (const pod of book.podsOf(merged)) publisher.publishPod(pod);
    }
    retireWhenEmpty(merged);
    const refusal = toProblemEvent(record);
    if (refusal !== undefined && isWriter()) events.write(toDeploymentTarget(record), refusal);
    applier.consider(toKey(merged));
  }

  /** Pods that still have the sidecar take requests until the rollout without it is over. */
  function retireWhenEmpty(record: DeploymentRecord): void {
    if (!book.isRetired(record)) return;
    const retired = book.retire(record);
    publisher.deleteRevision(retired);
    publishServices();
    for (const pod of book.podsOf(retired)) publisher.publishPod(pod);
    applier.consider(toKey(retired));
  }

  function putApp(record: PodRecord): void {
    book.setPod(record);
    publisher.publishPod(record);
    const owner = book.findDeployment(record);
    if (owner === undefined) return;
    endpoints.considerRevision(owner);
    retireWhenEmpty(owner);
  }

  function deleteApp(record: PodRecord): void {
    const owner = book.findDeployment(record);
    book.deletePod(record);
    publisher.deletePod(record);
    if (owner === undefined) return;
    endpoints.considerRevision(owner);
    retireWhenEmpty(owner);
  }

  function putMember(record: MemberRecord): void {
    book.setMember(record);
    publisher.publishMember(record);
    if (record.kind === "activator") endpoints.considerAll();
  }

  function deleteMember(record: MemberRecord): void {
    book.deleteMember(record);
    publisher.deleteMember(record);
    hub.forgetAcknowledger(record.name);
    if (record.kind === "activator") endpoints.considerAll();
  }

  function putService(record: ServiceRecord): void {
    book.setService(record);
    publishServices();
    const refusal = toServiceEvent(record, book);
    if (refusal !== undefined && isWriter()) events.write(toServiceTarget(record), refusal);
    endpoints.consider(toKey(record));
  }

  return {
    onDeployment(record, previous) {
      if (record !== undefined) putDeployment(record, previous);
      else if (previous !== undefined) deleteDeployment(previous);
    },
    onReplicaSet(record, previous) {
      const uid = record?.uid ?? previous?.uid ?? "";
      if (record !== undefined) book.setReplicaSet(record);
      else if (previous !== undefined) book.deleteReplicaSet(previous);
      // A pod may be seen before its ReplicaSet: kinds are watched apart.
      for (const pod of book.podsOfSet(uid)) putApp(pod);
    },
    onPod(record, previous) {
      if (record?.kind === "app") putApp(record);
      else if (record !== undefined) putMember(record);
      else if (previous?.kind === "app") deleteApp(previous);
      else if (previous !== undefined) deleteMember(previous);
    },
    onService(record, previous) {
      if (record !== undefined) putService(record);
      else if (previous !== undefined) {
        book.deleteService(previous);
        endpoints.drop(toKey(previous));
        publishServices();
      }
    },
    onSlice: (record, previous) => endpoints.observe(record, previous),
    onAutoscaler(record, previous) {
      const changed = record ?? previous;
      if (record !== undefined) book.setAutoscaler(record);
      else if (previous !== undefined) book.deleteAutoscaler(previous);
      if (changed !== undefined)
        applier.consider(toKey({ namespace: changed.namespace, name: changed.deployment }));
    },
  };
}
