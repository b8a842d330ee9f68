import { toKey, type AggregatorMember, type FeedObject, type Service } from "@sluice/core";
import type { WatchHandlers } from "@sluice/kit";
import type { RevisionBook } from "./revision-book.ts";
import type { RouteTable } from "./route-table.ts";

/** Where the feed's objects go. */
export interface FeedTargets {
  readonly name: string;
  readonly routes: RouteTable;
  readonly revisions: RevisionBook;
  readonly aggregators: {
    putMember(member: AggregatorMember): void;
    deleteMember(name: string): void;
  };
}

/** Revisions come before what leads to them, so that no request meets a route to nowhere. */
const snapshotOrder: readonly FeedObject["kind"][] = [
  "activator",
  "aggregator",
  "revision",
  "service",
  "pod",
];

/** Applies what the feed says, one object at a time: the cost of a change is that of the object, whatever else there is. */
export class FeedView implements WatchHandlers<FeedObject> {
  readonly #targets: FeedTargets;
  readonly #activators = new Set<string>();
  /** Versions of services that send requests to a revision that is not known yet. */
  readonly #early = new Map<string, Service>();
  #index = -1;

  constructor(targets: FeedTargets) {
    this.#targets = targets;
  }

  onSnapshot(objects: ReadonlyMap<string, FeedObject>, previous: ReadonlyMap<string, FeedObject>): void {
    for (const kind of snapshotOrder) {
      for (const [key, object] of objects) {
        if (object.kind === kind && !isSame(object, previous.get(key)))
          this.onPut(key, object, previous.get(key));
      }
    }
    for (const [key, object] of previous) if (!objects.has(key)) this.#delete(key, object);
  }

  onPut(key: string, object: FeedObject, previous: FeedObject | undefined): void {
    if (previous !== undefined && hasMoved(object, previous)) this.#delete(key, previous);
    this.#put(key, object);
  }

  onDelete(key: string, previous: FeedObject | undefined): void {
    if (previous !== undefined) this.#delete(key, previous);
  }

  #put(key: string, object: FeedObject): void {
    const { revisions, aggregators } = this.#targets;
    switch (object.kind) {
      case "service":
        this.#putService(key, object);
        return;
      case "revision":
        revisions.putRevision(object);
        for (const [early, service] of this.#early) this.#putService(early, service);
        return;
      case "pod":
        revisions.putPod(object);
        return;
      case "activator":
        this.#activators.add(object.name);
        this.#shareOut();
        return;
      case "aggregator":
        aggregators.putMember(object);
    }
  }

  #delete(key: string, object: FeedObject): void {
    const { routes, revisions, aggregators } = this.#targets;
    switch (object.kind) {
      case "service":
        this.#early.delete(key);
        routes.delete(key);
        return;
      case "revision":
        revisions.deleteRevision(toKey(object));
        return;
      case "pod":
        revisions.deletePod(object);
        return;
      case "activator":
        this.#activators.delete(object.name);
        this.#shareOut();
        return;
      case "aggregator":
        aggregators.deleteMember(object.name);
    }
  }

  /**
   * A platform that watches services and revisions apart may hear of the service first: until all are there that get a
   * part of its requests, the version before stays, so that none is led to nowhere.
   */
  #putService(key: string, service: Service): void {
    const { routes, revisions } = this.#targets;
    const isReady = service.traffic.every(
      ({ revision, percent }) =>
        percent === 0 || revisions.isKnown(toKey({ namespace: service.namespace, name: revision })),
    );
    if (!isReady && routes.service(toKey(service)) !== undefined) {
      this.#early.set(key, service);
      return;
    }
    this.#early.delete(key);
    routes.put(service, key);
  }

  /** An activator that the feed does not name (yet) keeps the place that it had, and all pods before it had one. */
  #shareOut(): void {
    const index = [...this.#activators].toSorted().indexOf(this.#targets.name);
    if (index >= 0) this.#index = index;
    const count = this.#activators.size;
    this.#targets.revisions.setMembership({ index: Math.min(this.#index, count - 1), count });
  }
}

/** A pod of one revision that is now another's is two pods to those who count them. */
function hasMoved(object: FeedObject, previous: FeedObject): boolean {
  return object.kind === "pod" && previous.kind === "pod" && object.revision !== previous.revision;
}

/** After a reconnect most of a snapshot is what is known already. */
function isSame(object: FeedObject, previous: FeedObject | undefined): boolean {
  return previous !== undefined && JSON.stringify(object) === JSON.stringify(previous);
}
