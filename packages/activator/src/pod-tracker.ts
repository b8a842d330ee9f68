import type { CancelTimer, Pod } from "@sluice/core";

/** What this activator knows of one pod. Changed by its revision's throttler alone. */
export interface PodTracker {
  readonly name: string;
  pod: Pod;
  /** Our own probe (or a request) got through, and nothing has failed since. */
  isHealthy: boolean;
  /** When `isHealthy` last became true, monotonic. */
  healthySinceMs: number;
  /** Set while the pod refuses requests although it is healthy: full of others' requests. */
  isPaused: boolean;
  /** Times in a row that it refused as full, and that it failed requests, without an answer in between. */
  refusals: number;
  failures: number;
  /** No longer in the feed; waits for its last request to end. */
  isGone: boolean;
  /** Slots that are ours; see `assignSlots`. */
  slots: number;
  /** Requests that hold a slot, from the grant to the last byte. */
  inFlight: number;
  /** How many of the held requests that were released to it are on their way; see the throttler. */
  burst: number;
  /** How many may be. */
  burstLimit: number;
  /** Ends a pause for a burst early; set while there is one. */
  cancelBurst: CancelTimer | undefined;
  /** Place in the throttler's list of pods with a free slot, -1 when not there. */
  openIndex: number;
}

/** Released at once, of thousands that were held; as many connections are kept when they are not needed. */
export const firstBurst = 100;

export function createPodTracker(pod: Pod): PodTracker {
  return {
    name: pod.name,
    pod,
    isHealthy: false,
    healthySinceMs: 0,
    isPaused: false,
    refusals: 0,
    failures: 0,
    isGone: false,
    slots: 0,
    inFlight: 0,
    burst: 0,
    burstLimit: firstBurst,
    cancelBurst: undefined,
    openIndex: -1,
  };
}

/** Whether the pod may be probed and, once healthy, asked. A terminating pod only finishes what it has. */
export function isWanted(tracker: PodTracker): boolean {
  return !tracker.isGone && !tracker.pod.terminating && tracker.pod.failure === undefined;
}

export function hasFreeSlot(tracker: PodTracker): boolean {
  const { isHealthy, isPaused, cancelBurst, inFlight, slots } = tracker;
  return isHealthy && !isPaused && cancelBurst === undefined && inFlight < slots && isWanted(tracker);
}
