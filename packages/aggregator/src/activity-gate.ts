import type { ScalingSpec } from "@sluice/core";

/** What is known about the last sign of life of a revision. Steady milliseconds. */
export interface Activity {
  /** The last report that was not all zero, or that should have come and did not. */
  readonly lastActiveMs: number;
}

/**
 * When the last pod may go at the earliest: every activator and every pod has reported nothing for the whole window,
 * and then for the grace period. Averages can be zero although a request came in between; this cannot. It only ever
 * delays the step from one pod to none.
 */
export function decideIdleFromMs(
  spec: Pick<ScalingSpec, "stableWindowMs" | "scaleToZeroGracePeriodMs">,
  activity: Activity,
): number {
  return activity.lastActiveMs + spec.stableWindowMs + spec.scaleToZeroGracePeriodMs;
}
