import type { PodTracker } from "./pod-tracker.ts";

/** A pod counts as new for this long after its first successful probe. */
const rampMs = 2000;
const smallestShare = 0.1;

/**
 * The pod for the next request, among pods that all have a free slot: the less loaded of two drawn at random
 * (Mitzenmacher, 2001), which is close to the least loaded and stays right when several activators choose at once.
 * A new pod counts as fuller than it is and takes its share over two seconds, so that caches and compilers get warm;
 * it is still picked when nothing else has room. `random` gives numbers in [0, 1).
 */
export function pickPod(
  open: readonly PodTracker[],
  nowMs: number,
  random: () => number,
): PodTracker | undefined {
  if (open.length <= 1) return open[0];
  const first = Math.floor(random() * open.length);
  const skip = Math.floor(random() * (open.length - 1));
  const one = open[first];
  const other = open[skip < first ? skip : skip + 1];
  if (one === undefined || other === undefined) return one ?? other;
  return toLoad(other, nowMs) < toLoad(one, nowMs) ? other : one;
}

function toLoad(tracker: PodTracker, nowMs: number): number {
  const share = Math.min(1, Math.max(smallestShare, (nowMs - tracker.healthySinceMs) / rampMs));
  return (tracker.inFlight + 1) / share;
}
