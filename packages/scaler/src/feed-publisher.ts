import { toFeedKey, toKey, type FeedObject, type ObjectKey, type Pod, type Service } from "@sluice/core";
import type { WatchHub } from "@sluice/kit";
import { names } from "@sluice/manifest";
import type { ClusterBook } from "./cluster-book.ts";
import type { DeploymentRecord } from "./deployment-record.ts";
import { decideClaims, type Claimant, type HostAllowList, type RefusedHost } from "./host-claims.ts";
import type { MemberRecord, PodRecord } from "./pod-record.ts";
import { toSplitService } from "./service-record.ts";

export interface FeedPublisherOptions {
  readonly hub: WatchHub<FeedObject>;
  readonly book: ClusterBook;
  readonly domains: readonly string[];
  readonly allowList: HostAllowList;
  /** Hosts that a service asked for and did not get; the whole list at each change. */
  readonly onRefused: (refused: readonly RefusedHost[]) => void;
}

function toFeedPod(pod: PodRecord, revision: string): Pod {
  return {
    kind: "pod",
    namespace: pod.namespace,
    revision,
    name: pod.name,
    address: pod.address,
    ports: pod.ports,
    ready: pod.ready,
    terminating: pod.terminating,
    startedAt: pod.startedAt,
    ...(pod.failure === undefined ? {} : { failure: pod.failure }),
  };
}

function toCustomHosts(annotations: Readonly<Record<string, string>>): ReadonlySet<string> {
  const text = annotations[names.hosts] ?? "";
  return new Set(text.split(",").map((host) => host.trim().toLowerCase()));
}

/** Turns what the cluster has into the feed, object by object; the hub leaves out what did not change. */
export class FeedPublisher {
  readonly #options: FeedPublisherOptions;
  readonly #services = new Map<ObjectKey, Service>();

  constructor(options: FeedPublisherOptions) {
    this.#options = options;
  }

  /** The services that were granted, by key. */
  get services(): ReadonlyMap<ObjectKey, Service> {
    return this.#services;
  }

  publishRevision(record: DeploymentRecord): void {
    const { hub, book } = this.#options;
    const { revision } = record;
    if (revision === undefined) return;
    const service = this.#services.get(toKey({ namespace: record.namespace, name: record.service }));
    const reachable = service?.traffic.some((entry) => entry.revision === record.name) === true;
    const pods = book.podsOf(record);
    const failure =
      revision.failure ??
      (pods.some((pod) => pod.ready) ? undefined : pods.find((pod) => pod.failure)?.failure);
    const published = { ...revision, reachable, ...(failure === undefined ? {} : { failure }) };
    hub.set(toFeedKey(published), published);
  }

  deleteRevision(record: DeploymentRecord): void {
    this.#options.hub.delete(`revision/${record.namespace}/${record.name}`);
  }

  publishPod(pod: PodRecord): void {
    const { hub, book } = this.#options;
    const owner = book.findDeployment(pod);
    const key = `pod/${pod.namespace}/${pod.name}`;
    if (owner?.revision === undefined || pod.address === "") hub.delete(key);
    else hub.set(key, toFeedPod(pod, owner.name));
    // A pod's failure may be its revision's.
    if (owner !== undefined) this.publishRevision(owner);
  }

  deletePod(pod: PodRecord): void {
    this.#options.hub.delete(`pod/${pod.namespace}/${pod.name}`);
    const owner = this.#options.book.findDeployment(pod);
    if (owner !== undefined) this.publishRevision(owner);
  }

  publishMember(member: MemberRecord): void {
    const { kind, name, address, ports } = member;
    if (!member.ready || address === "") this.deleteMember(member);
    else this.#options.hub.set(`${kind}/${name}`, { kind, name, address, ports: { ...ports } });
  }

  deleteMember(member: MemberRecord): void {
    this.#options.hub.delete(`${member.kind}/${member.name}`);
  }

  /** Decides anew who has which host, and publishes every service and what became reachable or stopped being it. */
  publishServices(): void {
    const { hub, book, allowList, onRefused } = this.#options;
    const { services, refused } = decideClaims(this.#toClaimants(), allowList);
    const gone = new Set(this.#services.keys());
    this.#services.clear();
    for (const service of services) {
      const key = toKey(service);
      gone.delete(key);
      this.#services.set(key, service);
      hub.set(`service/${key}`, service);
    }
    for (const key of gone) hub.delete(`service/${key}`);
    for (const record of book.deployments.values()) this.publishRevision(record);
    onRefused(refused);
  }

  #toClaimants(): Claimant[] {
    const claimants = new Map<ObjectKey, Claimant>();
    for (const { ownService, createdAt, annotations } of this.#options.book.deployments.values()) {
      if (ownService === undefined) continue;
      claimants.set(toKey(ownService), {
        service: ownService,
        createdAt,
        customHosts: toCustomHosts(annotations),
      });
    }
    for (const record of this.#options.book.services.values()) {
      const service = toSplitService(record, this.#options.domains);
      if (service === undefined) continue;
      const customHosts = toCustomHosts(record.annotations);
      claimants.set(toKey(service), { service, createdAt: record.createdAt, customHosts });
    }
    return [...claimants.values()];
  }
}
