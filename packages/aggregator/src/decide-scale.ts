import type { ScalingSpec } from "@sluice/core";
import { recordMaximum, type RecentMaximum } from "./recent-maximum.ts";

/** What deciding remembers from one evaluation to the next. */
export interface ScaleState {
  /** The last time that load was over the panic threshold; undefined outside panic. */
  readonly panicSinceMs: number | undefined;
  readonly maxPanicPods: number;
  /** Recommendations of the scale-down delay. */
  readonly delayed: readonly RecentMaximum[];
}

/** What is so at the time of one evaluation. */
export interface ScaleObservation {
  /** Pods that are ready and not terminating. */
  readonly readyPods: number;
  readonly stableValue: number;
  readonly panicValue: number;
  /** Whether a route leads to the revision. */
  readonly isReachable: boolean;
}

/** What held the recommendation back, or up. */
export type ScaleLimit =
  | "max-scale-up-rate"
  | "max-scale-down-rate"
  | "activation-scale"
  | "panic-never-shrinks"
  | "scale-down-delay";

export interface ScaleAnswer {
  readonly state: ScaleState;
  readonly recommendedPods: number;
  readonly excessBurstCapacity: number;
  readonly isPanicking: boolean;
  /** Pods that the panic value asks for, over ready ones; panic begins at the threshold. */
  readonly panicRatio: number;
  /** Pods that each window asks for before any limit. */
  readonly stablePods: number;
  readonly panicPods: number;
  readonly limits: readonly ScaleLimit[];
}

const delaySlotMs = 2000;
const minInt32 = -2_147_483_648;

/**
 * The state of a revision that is seen for the first time. One that already runs more than one pod starts in panic
 * at that count, so that a new autoscaler never scales down what it does not know yet.
 */
export function createScaleState(runningPods: number, nowMs: number): ScaleState {
  return runningPods > 1
    ? { panicSinceMs: nowMs, maxPanicPods: runningPods, delayed: [] }
    : { panicSinceMs: undefined, maxPanicPods: 0, delayed: [] };
}

/** Knative's pod autoscaler (reference §3.5): what load alone asks for. Pure, so that it can be replayed. */
export function decideScale(
  spec: ScalingSpec,
  state: ScaleState,
  observation: ScaleObservation,
  nowMs: number,
): ScaleAnswer {
  const limits: ScaleLimit[] = [];
  const pods = Math.max(1, observation.readyPods);
  const most = Math.ceil(spec.maxScaleUpRate * pods);
  const least = observation.isReachable ? Math.floor(pods / spec.maxScaleDownRate) : 0;
  const stablePods = Math.ceil(observation.stableValue / spec.targetValue);
  const panicPods = Math.ceil(observation.panicValue / spec.targetValue);
  const panicRatio = panicPods / pods;

  const panic = decidePanic(spec, state, panicRatio, nowMs);
  let recommended = clamp(stablePods, least, most, spec.activationScale);
  if (panic.panicSinceMs !== undefined) {
    recommended = Math.max(recommended, clamp(panicPods, least, most, spec.activationScale));
  }
  const asked = panic.panicSinceMs === undefined ? stablePods : Math.max(stablePods, panicPods);
  noteRateLimits(limits, asked, recommended, spec);

  if (panic.panicSinceMs !== undefined) {
    if (panic.maxPanicPods > recommended) limits.push("panic-never-shrinks");
    panic.maxPanicPods = Math.max(panic.maxPanicPods, recommended);
    recommended = panic.maxPanicPods;
  }
  const delayed = delayScaleDown(spec, state, observation, recommended, nowMs);
  const delayedPods = delayed[0]?.value ?? recommended;
  if (delayedPods > recommended) limits.push("scale-down-delay");

  return {
    state: { ...panic, delayed },
    recommendedPods: delayedPods,
    excessBurstCapacity: toExcessBurstCapacity(spec, observation),
    isPanicking: panic.panicSinceMs !== undefined,
    panicRatio,
    stablePods,
    panicPods,
    limits,
  };
}

/** Panic lasts for a stable window after load was last over the threshold. */
function decidePanic(
  spec: ScalingSpec,
  state: ScaleState,
  ratio: number,
  nowMs: number,
): { panicSinceMs: number | undefined; maxPanicPods: number } {
  if (ratio >= spec.panicThreshold) return { panicSinceMs: nowMs, maxPanicPods: state.maxPanicPods };
  if (state.panicSinceMs !== undefined && state.panicSinceMs + spec.stableWindowMs >= nowMs) {
    return { panicSinceMs: state.panicSinceMs, maxPanicPods: state.maxPanicPods };
  }
  return { panicSinceMs: undefined, maxPanicPods: 0 };
}

/** Within the rates; the activation scale counts before them and may exceed them, as in Knative. */
function clamp(asked: number, least: number, most: number, activationScale: number): number {
  const limited = Math.min(Math.max(asked, least), most);
  return asked > 0 && activationScale > limited ? activationScale : limited;
}

function noteRateLimits(limits: ScaleLimit[], asked: number, answered: number, spec: ScalingSpec): void {
  if (answered < asked) limits.push("max-scale-up-rate");
  else if (answered > asked && answered === spec.activationScale && asked > 0)
    limits.push("activation-scale");
  else if (answered > asked) limits.push("max-scale-down-rate");
}

/** An unreachable revision does not wait. Without a delay nothing is remembered. */
function delayScaleDown(
  spec: ScalingSpec,
  state: ScaleState,
  observation: ScaleObservation,
  recommended: number,
  nowMs: number,
): readonly RecentMaximum[] {
  if (spec.scaleDownDelayMs <= 0 || !observation.isReachable) return [];
  const slots = Math.ceil(spec.scaleDownDelayMs / delaySlotMs);
  return recordMaximum(state.delayed, Math.floor(nowMs / delaySlotMs), recommended, slots);
}

/** Capacity that is left after a burst of the configured size; negative keeps activators in the path. */
function toExcessBurstCapacity(spec: ScalingSpec, observation: ScaleObservation): number {
  if (spec.targetBurstCapacity === 0) return 0;
  if (spec.targetBurstCapacity === -1) return -1;
  const left = observation.readyPods * spec.totalValue - spec.targetBurstCapacity - observation.panicValue;
  return Math.max(minInt32, Math.floor(left));
}
