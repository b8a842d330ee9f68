import type { Clock, ObjectKey, Pod, Revision } from "@sluice/core";
import type { RequestLimits } from "@sluice/dataplane";
import type { Milestones } from "./cold-start.ts";
import type { Counted, CountedRevision } from "./concurrency-reporter.ts";
import { decideQuarantine } from "./failover.ts";
import type { LimitsBook } from "./limits-book.ts";
import type { PodProber, ProbeTarget } from "./pod-prober.ts";
import { isWanted, type PodTracker } from "./pod-tracker.ts";
import type { RevisionMetrics } from "./revision-metrics.ts";
import { RevisionThrottler, type Membership, type ThrottlerOptions } from "./revision-throttler.ts";

export interface ActiveRevisionOptions extends Omit<ThrottlerOptions, "onWaiting" | "onOverflow" | "clock"> {
  readonly clock: Clock;
  readonly prober: PodProber;
  readonly metrics: RevisionMetrics;
  readonly limits: LimitsBook;
  /** The pod's address will not be used again. */
  readonly onPodGone: (pod: Pod) => void;
}

/**
 * A revision that has pods or requests: its throttler, its time limits, and how its newest pod came to be. One that has
 * neither is only an object of the feed.
 */
export class ActiveRevision implements ProbeTarget, CountedRevision {
  readonly key: ObjectKey;
  readonly throttler: RevisionThrottler;
  readonly metrics: RevisionMetrics;
  readonly milestones: Milestones = {};
  counted: Counted | undefined;
  readonly #options: ActiveRevisionOptions;
  #revision: Revision;
  #limits: RequestLimits;

  constructor(key: ObjectKey, revision: Revision, options: ActiveRevisionOptions) {
    this.key = key;
    this.metrics = options.metrics;
    this.#options = options;
    this.#revision = revision;
    this.#limits = options.limits.find(revision.timeouts);
    this.throttler = new RevisionThrottler(revision.containerConcurrency, {
      ...options,
      onWaiting: () => this.#hurry(),
      onOverflow: (bound) => options.metrics.countRejection(bound),
    });
    this.throttler.setFailure(revision.failure);
    this.#noteApplied(revision);
  }

  get revision(): Revision {
    return this.#revision;
  }

  get limits(): RequestLimits {
    return this.#limits;
  }

  /** Requests that have begun keep the time limits that they began with. */
  setRevision(revision: Revision): void {
    this.#revision = revision;
    this.#limits = this.#options.limits.find(revision.timeouts);
    this.throttler.setContainerConcurrency(revision.containerConcurrency);
    this.throttler.setFailure(revision.failure);
    this.#noteApplied(revision);
  }

  setMembership(membership: Membership): void {
    this.throttler.setMembership(membership);
  }

  putPod(pod: Pod): void {
    const before = this.throttler.findPod(pod.name);
    const wasReady = before?.pod.ready;
    const tracker = this.throttler.putPod(pod);
    if (before !== undefined && before !== tracker) this.#drop(before);
    if (tracker !== before) this.milestones.addressAt = this.#options.clock.now();
    // A pod that the platform takes its word back for must prove itself again.
    if (wasReady === true && !pod.ready) this.throttler.markFailed(tracker);
    if (!isWanted(tracker)) this.#options.prober.stop(tracker);
    else if (wasReady === false && pod.ready) this.#options.prober.hurry(tracker);
    this.#options.prober.start(tracker, this);
  }

  deletePod(name: string): void {
    const tracker = this.throttler.deletePod(name);
    if (tracker !== undefined) this.#drop(tracker);
  }

  /** A request found out that the pod does not work; it is asked until it does. Others that find out the same add nothing. */
  eject(tracker: PodTracker): void {
    if (!tracker.isHealthy) return;
    this.throttler.markFailed(tracker);
    this.#options.prober.start(tracker, this, decideQuarantine(tracker.failures++));
  }

  /** No pod works yet, and nothing says that none will. */
  get isStarting(): boolean {
    return this.throttler.healthyPods === 0 && !this.throttler.hasFailed;
  }

  isWaitedFor(): boolean {
    return this.throttler.held > 0;
  }

  needsPlatformReady(): boolean {
    const { probe, hasStartupProbe } = this.#revision.readiness;
    return probe === "exec" || hasStartupProbe;
  }

  markHealthy(tracker: PodTracker): void {
    this.milestones.probedAt = this.#options.clock.now();
    this.throttler.markHealthy(tracker);
  }

  #drop(tracker: PodTracker): void {
    this.#options.prober.stop(tracker);
    this.#options.onPodGone(tracker.pod);
  }

  #hurry(): void {
    for (const tracker of this.throttler.pods) this.#options.prober.hurry(tracker);
  }

  #noteApplied({ applied }: Revision): void {
    if (applied.decidedAt !== undefined) this.milestones.decidedAt = Date.parse(applied.decidedAt);
    if (applied.scaledAt !== undefined) this.milestones.scaledAt = Date.parse(applied.scaledAt);
  }
}
