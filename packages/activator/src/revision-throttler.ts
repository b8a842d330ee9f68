import { SluiceError, type Clock, type Failure, type Pod } from "@sluice/core";
import { BurstPacer } from "./burst-pacer.ts";
import { decidePause } from "./failover.ts";
import { toHoldError, type HoldBound, type HoldBudget } from "./hold-budget.ts";
import { FairQueue } from "./fair-queue.ts";
import type { Waiter } from "./hold-queue.ts";
import { OpenPods } from "./open-pods.ts";
import { pickPod } from "./pick-pod.ts";
import { createPodTracker, isWanted, type PodTracker } from "./pod-tracker.ts";
import { assignSlots } from "./slot-assignment.ts";

/** Which of how many activators this one is; index -1 while it does not know. */
export interface Membership {
  readonly index: number;
  readonly count: number;
}

export interface ThrottlerOptions {
  readonly budget: HoldBudget;
  readonly clock: Pick<Clock, "monotonic" | "setTimer">;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  /** A request has begun to wait where none waited. */
  readonly onWaiting?: () => void;
  readonly onOverflow?: (bound: HoldBound) => void;
}

/**
 * One revision's pods, their slots, and the requests that wait for one. It keeps three promises: a pod never has more of
 * our requests than slots that are ours; nothing waits while such a slot is free; who came first goes first, among those
 * with the same fair key.
 */
export class RevisionThrottler {
  readonly #options: ThrottlerOptions;
  readonly #pods = new Map<string, PodTracker>();
  readonly #open = new OpenPods();
  readonly #bursts: BurstPacer;
  readonly #queue = new FairQueue();
  #limit: number;
  #membership: Membership = { index: 0, count: 1 };
  #failure: Failure | undefined;
  #healthyPods = 0;
  #inFlight = 0;
  #turns = 0;
  #isDraining = false;

  constructor(containerConcurrency: number, options: ThrottlerOptions) {
    this.#limit = containerConcurrency;
    this.#options = options;
    this.#bursts = new BurstPacer(
      options.clock,
      (pod) => this.#open.refresh(pod),
      () => this.#drain(),
    );
  }

  /** Requests that wait for a pod now. */
  get held(): number {
    return this.#queue.length;
  }

  /** Requests that have a pod now. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** The platform says that no pod can start. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  get healthyPods(): number {
    return this.#healthyPods;
  }

  /** Pods that the feed names for the revision. */
  get knownPods(): number {
    return this.#pods.size;
  }

  get pods(): Iterable<PodTracker> {
    return this.#pods.values();
  }

  /** Nothing would be lost with it. */
  get isIdle(): boolean {
    return this.#pods.size === 0 && this.#queue.length === 0 && this.#inFlight === 0;
  }

  /** Calls `grant` or `refuse` of the waiter, now or later, and never both, unless `cancel` comes first. */
  submit(waiter: Waiter): void {
    waiter.turn = ++this.#turns;
    if (this.#queue.length === 0) {
      const pod = pickPod(this.#open.list, this.#options.clock.monotonic(), this.#options.random);
      if (pod !== undefined) return this.#grant(waiter, pod);
    }
    if (this.#failure !== undefined && this.#healthyPods === 0)
      return waiter.refuse(toFailureError(this.#failure));
    waiter.heldBytes = waiter.weigh();
    const bound = this.#options.budget.findBound(this.#queue, waiter.heldBytes);
    if (bound === undefined) this.#hold(waiter, false);
    else this.#overflow(waiter, bound);
  }

  /** More of its body has come. Where that breaks a bound it is refused: what came earlier stays. */
  grow(waiter: Waiter, bytes: number): void {
    if (!waiter.isHeld) return;
    const bound = this.#options.budget.findByteBound(this.#queue, bytes);
    if (bound === undefined) {
      this.#queue.grow(waiter, bytes);
      this.#options.budget.grow(bytes);
      return;
    }
    this.cancel(waiter);
    this.#overflow(waiter, bound);
  }

  #overflow(waiter: Waiter, bound: HoldBound): void {
    this.#options.onOverflow?.(bound);
    waiter.refuse(toHoldError(bound));
  }

  /** A request comes back from a pod that never began it; it had been let in, so no bound applies. */
  resubmit(waiter: Waiter): void {
    if (this.#failure !== undefined && this.#healthyPods === 0)
      return waiter.refuse(toFailureError(this.#failure));
    this.#hold(waiter, true);
    this.#drain();
  }

  /** The client is gone or out of time. False when the request was not held. */
  cancel(waiter: Waiter): boolean {
    if (!this.#queue.remove(waiter)) return false;
    this.#options.budget.giveBack(waiter.heldBytes);
    return true;
  }

  /** The request that was granted this pod is over. Exactly once for each grant. */
  release(pod: PodTracker): void {
    pod.inFlight--;
    this.#inFlight--;
    this.#bursts.noteOver(pod);
    this.#open.refresh(pod);
    if (this.#queue.length > 0) this.#drain();
  }

  setContainerConcurrency(limit: number): void {
    if (limit === this.#limit) return;
    this.#limit = limit;
    this.#assign();
  }

  setMembership(membership: Membership): void {
    this.#membership = membership;
    this.#assign();
  }

  /** Why no pod can start. Whoever waits is told at once, unless some pod works all the same. */
  setFailure(failure: Failure | undefined): void {
    this.#failure = failure;
    if (failure !== undefined && this.#healthyPods === 0) this.refuseAll(() => toFailureError(failure));
  }

  refuseAll(toError: () => SluiceError): void {
    for (let left = this.#queue.length; left > 0; left--) {
      const waiter = this.#shift();
      if (waiter === undefined) return;
      waiter.refuse(toError());
    }
  }

  findPod(name: string): PodTracker | undefined {
    return this.#pods.get(name);
  }

  putPod(pod: Pod): PodTracker {
    const present = this.#pods.get(pod.name);
    if (present !== undefined && isSamePlace(present.pod, pod)) {
      present.pod = pod;
      if (!isWanted(present)) this.markFailed(present);
      return present;
    }
    if (present !== undefined) this.deletePod(pod.name);
    const tracker = createPodTracker(pod);
    this.#pods.set(pod.name, tracker);
    return tracker;
  }

  deletePod(name: string): PodTracker | undefined {
    const tracker = this.#pods.get(name);
    if (tracker === undefined) return undefined;
    this.#pods.delete(name);
    tracker.isGone = true;
    this.#open.refresh(tracker);
    this.markFailed(tracker);
    return tracker;
  }

  markHealthy(tracker: PodTracker): void {
    if (tracker.isHealthy || !isWanted(tracker)) return;
    tracker.isHealthy = true;
    tracker.healthySinceMs = this.#options.clock.monotonic();
    this.#healthyPods++;
    this.#assign();
  }

  /** No new request goes there until the pod is healthy again; those inside stay. */
  markFailed(tracker: PodTracker): void {
    if (!tracker.isHealthy) return;
    tracker.isHealthy = false;
    this.#healthyPods--;
    this.#assign();
  }

  /** The pod answered a request. */
  noteAnswer(tracker: PodTracker): void {
    tracker.refusals = 0;
    tracker.failures = 0;
  }

  /** The pod is full although we had a slot: others use it too. It is asked again a little later. */
  noteFull(tracker: PodTracker): void {
    if (!tracker.isPaused) this.#pause(tracker, decidePause(tracker.refusals++));
  }

  #pause(tracker: PodTracker, forMs: number): void {
    tracker.isPaused = true;
    this.#open.refresh(tracker);
    this.#options.clock.setTimer(() => {
      tracker.isPaused = false;
      this.#open.refresh(tracker);
      this.#drain();
    }, forMs);
  }

  #hold(waiter: Waiter, isBack: boolean): void {
    if (isBack) this.#queue.putBack(waiter);
    else this.#queue.push(waiter);
    this.#options.budget.take(waiter.heldBytes);
    if (this.#queue.length === 1) this.#options.onWaiting?.();
  }

  #shift(): Waiter | undefined {
    const waiter = this.#queue.shift();
    if (waiter !== undefined) this.#options.budget.giveBack(waiter.heldBytes);
    return waiter;
  }

  #grant(waiter: Waiter, pod: PodTracker): void {
    pod.inFlight++;
    this.#inFlight++;
    this.#open.refresh(pod);
    waiter.grant(pod);
  }

  /** Grants may end at once and come back here; the outer loop then goes on, so the stack stays flat. */
  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      while (this.#queue.length > 0) {
        const pod = pickPod(this.#open.list, this.#options.clock.monotonic(), this.#options.random);
        const waiter = pod === undefined ? undefined : this.#shift();
        if (pod === undefined || waiter === undefined) break;
        if (this.#limit === 0) this.#bursts.noteReleased(pod);
        this.#grant(waiter, pod);
      }
    } finally {
      this.#isDraining = false;
    }
    if (this.#queue.length === 0) this.#bursts.end(this.#pods.values());
  }

  #assign(): void {
    const healthy = [...this.#pods.values()].filter((tracker) => tracker.isHealthy);
    const { index, count } = this.#membership;
    const shares = assignSlots(
      healthy.map((tracker) => tracker.pod),
      this.#limit,
      index,
      count,
    );
    for (const tracker of this.#pods.values()) {
      tracker.slots = shares.get(tracker.name) ?? 0;
      this.#open.refresh(tracker);
    }
    this.#drain();
  }
}

/** A pod that restarted with the same name but elsewhere is another pod. */
function isSamePlace(one: Pod, other: Pod): boolean {
  return (
    one.address === other.address &&
    one.ports.main === other.ports.main &&
    one.ports.h2c === other.ports.h2c &&
    one.startedAt === other.startedAt
  );
}

function toFailureError(failure: Failure): SluiceError {
  return new SluiceError(
    "revision-failed",
    `the revision cannot start: ${failure.reason}: ${failure.message}`,
    {
      isPublic: true,
    },
  );
}
