import type { ObjectKey, Pod, Revision } from "@sluice/core";
import { toKey, toRevisionKey } from "@sluice/core";
import type { ActiveRevision } from "./active-revision.ts";
import type { Membership } from "./revision-throttler.ts";

export interface RevisionBookOptions {
  /** The revision as the feed has it now. */
  readonly findRevision: (key: ObjectKey) => Revision | undefined;
  readonly activate: (key: ObjectKey, revision: Revision) => ActiveRevision;
  /** The feed no longer has the revision, and its last request and pod are gone. */
  readonly onGone: (key: ObjectKey) => void;
}

/**
 * The active revisions: those with pods or requests. A revision becomes active when either comes and is only an object of
 * the feed again when both are gone, so ten thousand idle ones cost nothing here.
 */
export class RevisionBook {
  readonly #options: RevisionBookOptions;
  readonly #active = new Map<ObjectKey, ActiveRevision>();
  /** Pods whose revision the feed has not named yet. */
  readonly #orphans = new Map<ObjectKey, Map<string, Pod>>();
  #membership: Membership = { index: 0, count: 1 };

  constructor(options: RevisionBookOptions) {
    this.#options = options;
  }

  get active(): Iterable<ActiveRevision> {
    return this.#active.values();
  }

  /** For a request: undefined when the feed does not know the revision. */
  open(key: ObjectKey): ActiveRevision | undefined {
    const present = this.#active.get(key);
    if (present !== undefined) return present;
    const revision = this.#options.findRevision(key);
    if (revision === undefined) return undefined;
    const active = this.#options.activate(key, revision);
    active.setMembership(this.#membership);
    this.#active.set(key, active);
    return active;
  }

  /** The feed has it. */
  isKnown(key: ObjectKey): boolean {
    return this.#options.findRevision(key) !== undefined;
  }

  find(key: ObjectKey): ActiveRevision | undefined {
    return this.#active.get(key);
  }

  /** To be called when a request is over or a pod is gone. */
  release(active: ActiveRevision): void {
    const { key } = active;
    if (!active.throttler.isIdle || this.#active.get(key) !== active) return;
    this.#active.delete(key);
    if (this.#options.findRevision(key) === undefined) this.#options.onGone(key);
  }

  putRevision(revision: Revision): void {
    const key = toKey(revision);
    this.#active.get(key)?.setRevision(revision);
    const orphans = this.#orphans.get(key);
    if (orphans === undefined) return;
    this.#orphans.delete(key);
    for (const pod of orphans.values()) this.putPod(pod);
  }

  /** Requests that wait are told; those in pods end in their own time. */
  deleteRevision(key: ObjectKey): void {
    const active = this.#active.get(key);
    if (active === undefined) {
      this.#options.onGone(key);
      return;
    }
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
