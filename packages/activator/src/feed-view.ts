import { toKey, type AggregatorMember, type FeedObject } from "@sluice/core";
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
  #index = -1;

  constructor(targets: FeedTargets) {
    this.#targets = targets;
  }

  onSnapshot(objects: ReadonlyMap<string, FeedObject>, previous: ReadonlyMap<string, FeedObject>): void {
    for (const kind of snapshotOrder) {
      for (const [key, object] of objects) {
        if (object.kind === kind && !isSame(object, previous.get(key))) this.#put(object);
      }
    }
    for (const [key, object] of previous) if (!objects.has(key)) this.#delete(object);
  }

  onPut(_key: string, object: FeedObject): void {
    this.#put(object);
  }

  onDelete(_key: string, previous: FeedObject | undefined): void {
    if (previous !== undefined) this.#delete(previous);
  }

  #put(object: FeedObject): void {
    const { routes, revisions, aggregators } = this.#targets;
    switch (object.kind) {
      case "service":
        routes.put(object);
        return;
      case "revision":
        revisions.putRevision(object);
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

  #delete(object: FeedObject): void {
    const { routes, revisions, aggregators } = this.#targets;
    switch (object.kind) {
      case "service":
        routes.delete(toKey(object));
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

  /** An activator that the feed does not name (yet) keeps the place that it had, and all pods before it had one. */
  #shareOut(): void {
    const index = [...this.#activators].toSorted().indexOf(this.#targets.name);
    if (index >= 0) this.#index = index;
    const count = this.#activators.size;
    this.#targets.revisions.setMembership({ index: Math.min(this.#index, count - 1), count });
  }
}

/** After a reconnect most of a snapshot is what is known already. */
function isSame(object: FeedObject, previous: FeedObject | undefined): boolean {
  return previous !== undefined && JSON.stringify(object) === JSON.stringify(previous);
}
