import type { ObjectKey, Pod, Revision } from "@sluice/core";
import { toKey, toRevisionKey } from "@sluice/core";
import type { ActiveRevision } from "./active-revision.ts";
import type { Membership } from "./revision-throttler.ts";

/**
 * Every revision of the feed, and the active ones among them: those with pods or requests. A revision becomes active when
 * either comes and is only a feed object again when both are gone, so ten thousand idle ones cost little.
 */
export class RevisionBook {
  readonly #activate: (key: ObjectKey, revision: Revision) => ActiveRevision;
  readonly #revisions = new Map<ObjectKey, Revision>();
  readonly #active = new Map<ObjectKey, ActiveRevision>();
  /** Pods whose revision the feed has not named yet. */
  readonly #orphans = new Map<ObjectKey, Map<string, Pod>>();
  #membership: Membership = { index: 0, count: 1 };

  constructor(activate: (key: ObjectKey, revision: Revision) => ActiveRevision) {
    this.#activate = activate;
  }

  get active(): Iterable<ActiveRevision> {
    return this.#active.values();
  }

  /** For a request: undefined when the feed does not know the revision. */
  open(key: ObjectKey): ActiveRevision | undefined {
    const present = this.#active.get(key);
    if (present !== undefined) return present;
    const revision = this.#revisions.get(key);
    if (revision === undefined) return undefined;
    const active = this.#activate(key, revision);
    active.setMembership(this.#membership);
    this.#active.set(key, active);
    return active;
  }

  find(key: ObjectKey): ActiveRevision | undefined {
    return this.#active.get(key);
  }

  /** To be called when a request is over or a pod is gone. */
  release(active: ActiveRevision): void {
    if (active.throttler.isIdle && this.#active.get(active.key) === active) this.#active.delete(active.key);
  }

  putRevision(revision: Revision): void {
    const key = toKey(revision);
    this.#revisions.set(key, revision);
    this.#active.get(key)?.setRevision(revision);
    const orphans = this.#orphans.get(key);
    if (orphans === undefined) return;
    this.#orphans.delete(key);
    for (const pod of orphans.values()) this.putPod(pod);
  }

  /** Requests that wait are told; those in pods end in their own time. */
  deleteRevision(key: ObjectKey): void {
    this.#revisions.delete(key);
    const active = this.#active.get(key);
    if (active === undefined) return;
    active.throttler.setFailure({ reason: "Deleted", message: "the revision was deleted" });
    this.release(active);
  }

  putPod(pod: Pod): void {
    const key = toRevisionKey(pod);
    const active = this.open(key);
    if (active !== undefined) {
      active.putPod(pod);
      return;
    }
    const orphans = this.#orphans.get(key) ?? new Map<string, Pod>();
    this.#orphans.set(key, orphans.set(pod.name, pod));
  }

  deletePod(pod: Pod): void {
    const key = toRevisionKey(pod);
    const orphans = this.#orphans.get(key);
    if (orphans?.delete(pod.name) === true && orphans.size === 0) this.#orphans.delete(key);
    const active = this.#active.get(key);
    if (active === undefined) return;
    active.deletePod(pod.name);
    this.release(active);
  }

  setMembership(membership: Membership): void {
    this.#membership = membership;
    for (const active of this.#active.values()) active.setMembership(membership);
  }
}
