import { toKey, type ObjectKey } from "@sluice/core";
import type { AutoscalerRecord, ReplicaSetRecord } from "./cluster.ts";
import type { DeploymentRecord } from "./deployment-record.ts";
import type { MemberRecord, PodRecord } from "./pod-record.ts";
import type { ServiceRecord } from "./service-record.ts";

const noPods: ReadonlyMap<string, PodRecord> = new Map();
const noServices: ReadonlyMap<string, ServiceRecord> = new Map();

/** Who belongs to whom: Deployments with their pods by owner chain, services with their Services. No I/O. */
export class ClusterBook {
  readonly #deployments = new Map<ObjectKey, DeploymentRecord>();
  readonly #deploymentByUid = new Map<string, ObjectKey>();
  readonly #deploymentOfSet = new Map<string, string>();
  readonly #podsBySet = new Map<string, Map<string, PodRecord>>();
  readonly #setsByDeployment = new Map<string, Set<string>>();
  readonly #members = new Map<string, MemberRecord>();
  readonly #services = new Map<ObjectKey, ServiceRecord>();
  readonly #servicesByName = new Map<ObjectKey, Map<string, ServiceRecord>>();
  /** By the Deployment that they set. */
  readonly #autoscalers = new Map<ObjectKey, AutoscalerRecord>();

  get deployments(): ReadonlyMap<ObjectKey, DeploymentRecord> {
    return this.#deployments;
  }

  get services(): ReadonlyMap<ObjectKey, ServiceRecord> {
    return this.#services;
  }

  /** A Deployment that was good once and is refused now keeps its last good revision: traffic does not stop for a typo. */
  setDeployment(record: DeploymentRecord): DeploymentRecord {
    const key = toKey(record);
    const before = this.#deployments.get(key);
    const merged = before === undefined || before.uid !== record.uid ? record : withLastGood(record, before);
    this.#deployments.set(key, merged);
    this.#deploymentByUid.set(record.uid, key);
    return merged;
  }

  /** Whether a Deployment that opted out, or gave its sidecar back, has no pod left that could take a request through one. */
  isRetired(record: DeploymentRecord): boolean {
    const isLeaving = record.revision !== undefined && !record.isManaged;
    return isLeaving && this.podsOf(record).every((pod) => pod.terminating);
  }

  /** Forgets what was good once. */
  retire(record: DeploymentRecord): DeploymentRecord {
    const { revision: _revision, ownService: _service, ...retired } = record;
    this.#deployments.set(toKey(record), retired);
    return retired;
  }

  deleteDeployment(record: DeploymentRecord): void {
    this.#deployments.delete(toKey(record));
    this.#deploymentByUid.delete(record.uid);
  }

  setReplicaSet(record: ReplicaSetRecord): void {
    this.#deploymentOfSet.set(record.uid, record.deploymentUid);
    const sets = this.#setsByDeployment.get(record.deploymentUid) ?? new Set();
    this.#setsByDeployment.set(record.deploymentUid, sets.add(record.uid));
  }

  deleteReplicaSet(record: ReplicaSetRecord): void {
    this.#deploymentOfSet.delete(record.uid);
    const sets = this.#setsByDeployment.get(record.deploymentUid);
    sets?.delete(record.uid);
    if (sets?.size === 0) this.#setsByDeployment.delete(record.deploymentUid);
  }

  setPod(record: PodRecord): void {
    const pods = this.#podsBySet.get(record.ownerUid) ?? new Map<string, PodRecord>();
    this.#podsBySet.set(record.ownerUid, pods.set(record.name, record));
  }

  deletePod(record: PodRecord): void {
    const pods = this.#podsBySet.get(record.ownerUid);
    pods?.delete(record.name);
    if (pods?.size === 0) this.#podsBySet.delete(record.ownerUid);
  }

  setMember(record: MemberRecord): void {
    this.#members.set(record.name, record);
  }

  deleteMember(record: MemberRecord): void {
    this.#members.delete(record.name);
  }

  setService(record: ServiceRecord): void {
    const before = this.#services.get(toKey(record));
    if (before !== undefined) this.deleteService(before);
    this.#services.set(toKey(record), record);
    const name = toKey({ namespace: record.namespace, name: record.service });
    const same = this.#servicesByName.get(name) ?? new Map<string, ServiceRecord>();
    this.#servicesByName.set(name, same.set(record.name, record));
  }

  deleteService(record: ServiceRecord): void {
    this.#services.delete(toKey(record));
    this.#servicesByName
      .get(toKey({ namespace: record.namespace, name: record.service }))
      ?.delete(record.name);
  }

  setAutoscaler(record: AutoscalerRecord): void {
    this.#autoscalers.set(toKey({ namespace: record.namespace, name: record.deployment }), record);
  }

  deleteAutoscaler(record: AutoscalerRecord): void {
    this.#autoscalers.delete(toKey({ namespace: record.namespace, name: record.deployment }));
  }

  /** The Service objects of one service. */
  servicesOf(namespace: string, service: string): ServiceRecord[] {
    return [...(this.#servicesByName.get(toKey({ namespace, name: service })) ?? noServices).values()];
  }

  /** The Deployment at the end of a pod's owner chain: pod, ReplicaSet, Deployment, each by its uid. */
  findDeployment(pod: PodRecord): DeploymentRecord | undefined {
    const key = this.#deploymentByUid.get(this.#deploymentOfSet.get(pod.ownerUid) ?? "");
    const record = key === undefined ? undefined : this.#deployments.get(key);
    return record?.namespace === pod.namespace ? record : undefined;
  }

  podsOf(record: DeploymentRecord): PodRecord[] {
    const sets = [...(this.#setsByDeployment.get(record.uid) ?? [])];
    return sets.flatMap((uid) => [...(this.#podsBySet.get(uid) ?? noPods).values()]);
  }

  podsOfSet(uid: string): PodRecord[] {
    return [...(this.#podsBySet.get(uid) ?? noPods).values()];
  }

  /** The revisions of one service. */
  deploymentsOf(namespace: string, service: string): DeploymentRecord[] {
    return [...this.#deployments.values()].filter(
      (record) => record.namespace === namespace && record.service === service,
    );
  }

  members(kind: MemberRecord["kind"]): MemberRecord[] {
    return [...this.#members.values()].filter((member) => member.kind === kind);
  }

  findAutoscaler(record: DeploymentRecord): AutoscalerRecord | undefined {
    for (const autoscaler of this.#autoscalers.values()) {
      if (autoscaler.namespace === record.namespace && autoscaler.deployment === record.name)
        return autoscaler;
    }
    return undefined;
  }
}

function withLastGood(record: DeploymentRecord, before: DeploymentRecord): DeploymentRecord {
  if (record.revision !== undefined || before.revision === undefined) return record;
  const revision = { ...before.revision, applied: record.applied };
  return before.ownService === undefined
    ? { ...record, revision }
    : { ...record, revision, ownService: before.ownService };
}
