import {
  toKey,
  toRevisionKey,
  type ActivatorMember,
  type AggregatorMember,
  type FeedObject,
  type ObjectKey,
  type Pod,
  type Revision,
} from "@sluice/core";

/** What changed for the aggregator. */
export interface FeedChange {
  readonly revisions: ReadonlySet<ObjectKey>;
  readonly membersChanged: boolean;
}

/** The feed as the aggregator needs it: revisions, the pods of each, and the members. */
export class FeedView {
  readonly #revisions = new Map<ObjectKey, Revision>();
  readonly #pods = new Map<ObjectKey, Map<string, Pod>>();
  readonly #activators = new Map<string, ActivatorMember>();
  readonly #aggregators = new Map<string, AggregatorMember>();

  get revisions(): ReadonlyMap<ObjectKey, Revision> {
    return this.#revisions;
  }

  get activators(): ReadonlyMap<string, ActivatorMember> {
    return this.#activators;
  }

  get aggregators(): ReadonlyMap<string, AggregatorMember> {
    return this.#aggregators;
  }

  podsOf(key: ObjectKey): Iterable<Pod> {
    return this.#pods.get(key)?.values() ?? [];
  }

  /** Pods that can take requests and are not on their way out. */
  readyPodsOf(key: ObjectKey): Pod[] {
    return [...this.podsOf(key)].filter((pod) => pod.ready && !pod.terminating);
  }

  countReady(key: ObjectKey): number {
    let count = 0;
    for (const pod of this.podsOf(key)) if (pod.ready && !pod.terminating) count++;
    return count;
  }

  /** Everything anew; returns what is or was there. */
  replaceAll(objects: Iterable<FeedObject>): FeedChange {
    const touched = new Set(this.#revisions.keys());
    this.#revisions.clear();
    this.#pods.clear();
    this.#activators.clear();
    this.#aggregators.clear();
    for (const object of objects) this.#store(object);
    for (const key of this.#revisions.keys()) touched.add(key);
    return { revisions: touched, membersChanged: true };
  }

  put(object: FeedObject): FeedChange {
    this.#store(object);
    return describeChange(object);
  }

  delete(object: FeedObject): FeedChange {
    switch (object.kind) {
      case "revision":
        this.#revisions.delete(toKey(object));
        break;
      case "pod":
        this.#deletePod(object);
        break;
      case "activator":
        this.#activators.delete(object.name);
        break;
      case "aggregator":
        this.#aggregators.delete(object.name);
        break;
      case "service":
        break;
    }
    return describeChange(object);
  }

  #store(object: FeedObject): void {
    switch (object.kind) {
      case "revision":
        this.#revisions.set(toKey(object), object);
        break;
      case "pod":
        this.#storePod(object);
        break;
      case "activator":
        this.#activators.set(object.name, object);
        break;
      case "aggregator":
        this.#aggregators.set(object.name, object);
        break;
      case "service":
        break;
    }
  }

  #storePod(pod: Pod): void {
    const key = toRevisionKey(pod);
    const pods = this.#pods.get(key);
    if (pods === undefined) this.#pods.set(key, new Map([[pod.name, pod]]));
    else pods.set(pod.name, pod);
  }

  #deletePod(pod: Pod): void {
    const key = toRevisionKey(pod);
    const pods = this.#pods.get(key);
    pods?.delete(pod.name);
    if (pods?.size === 0) this.#pods.delete(key);
  }
}

const nothing: FeedChange = { revisions: new Set(), membersChanged: false };

function describeChange(object: FeedObject): FeedChange {
  switch (object.kind) {
    case "revision":
      return { revisions: new Set([toKey(object)]), membersChanged: false };
    case "pod":
      return { revisions: new Set([toRevisionKey(object)]), membersChanged: false };
    case "activator":
    case "aggregator":
      return { revisions: new Set(), membersChanged: true };
    case "service":
      break;
  }
  return nothing;
}
