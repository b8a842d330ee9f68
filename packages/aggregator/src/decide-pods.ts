import type { Decision, ScalingSpec } from "@sluice/core";

export type Phase = Decision["activation"]["state"];
export type Mode = Decision["mode"];

/** What applying remembers of a revision. Steady milliseconds. */
export interface PodsState {
  /** `activating`: pods are wanted and not enough are ready. `inactive`: none is wanted. */
  readonly phase: Phase;
  readonly sinceMs: number;
  /** Enough pods were ready once; from then on the initial scale no longer counts. */
  readonly isInitialized: boolean;
  readonly desiredPods: number;
}

/** A revision as it is met for the first time. */
export interface FirstSight {
  readonly readyPods: number;
  readonly appliedReplicas: number;
  /** The platform has carried out a decision about it before. */
  readonly wasDecided: boolean;
  readonly isReachable: boolean;
}

export interface PodsInput {
  /** Undefined while load is not known. */
  readonly recommendedPods: number | undefined;
  readonly excessBurstCapacity: number;
  readonly readyPods: number;
  readonly isReachable: boolean;
  /** What the platform says it has done. */
  readonly appliedMode: Mode;
  /** Since when `appliedMode` is so. */
  readonly appliedModeSinceMs: number;
  /** The activity gate's answer (activity-gate.ts). */
  readonly idleFromMs: number;
}

/** Bounds and waits that moved the recommendation. */
export type PodsLimit = "min-scale" | "max-scale" | "initial-scale";

/** Why pods stay although nothing is asked for. */
export type Wait =
  | "scale-to-zero-disabled"
  | "pods-starting"
  | "active-for-a-window"
  | "activators-in-path"
  | "pod-retention"
  | "grace-period"
  | "exact-activity";

export interface PodsAnswer {
  readonly state: PodsState;
  readonly desiredPods: number;
  readonly mode: Mode;
  readonly numActivators: number;
  readonly limits: readonly PodsLimit[];
  readonly wait: Wait | undefined;
  /** When the wait ends at the earliest, where that is known. */
  readonly waitUntilMs: number | undefined;
  /** Pods did not become ready in time, and the start was given up. */
  readonly isTimedOut: boolean;
}

/** Knative gives an activation this long beyond the progress deadline. */
const activationMarginMs = 30_000;
const leastActivators = 2;

export function createPodsState(spec: ScalingSpec, sight: FirstSight, nowMs: number): PodsState {
  const minimum = sight.isReachable ? spec.minScale : 0;
  const isNew = !sight.wasDecided && sight.appliedReplicas === 0;
  const desiredPods = isNew ? Math.max(minimum, spec.initialScale) : sight.appliedReplicas;
  const isInitialized = sight.readyPods > 0 || (sight.wasDecided && sight.appliedReplicas === 0);
  const phase: Phase = desiredPods === 0 ? "inactive" : sight.readyPods > 0 ? "active" : "activating";
  return { phase, sinceMs: nowMs, isInitialized, desiredPods };
}

/**
 * From what load asks for to what is applied (reference §3.6): bounds, initial scale, and the states on the way to
 * zero. Pure.
 */
export function decidePods(spec: ScalingSpec, state: PodsState, input: PodsInput, nowMs: number): PodsAnswer {
  const minimum = input.isReachable ? spec.minScale : 0;
  const isInitialized = state.isInitialized || input.readyPods >= Math.max(minimum, spec.initialScale);
  const limits: PodsLimit[] = [];
  const bounded = applyBounds(spec, { ...state, isInitialized }, input, limits);
  const zero = bounded === 0 ? decideZero(spec, state, input, nowMs) : { want: bounded, desired: bounded };
  const threshold = isInitialized ? Math.max(minimum, 1) : Math.max(minimum, spec.initialScale);
  const phase = decidePhase(state.phase, zero.want, input.readyPods >= threshold);
  return {
    state: {
      phase,
      sinceMs: phase === state.phase ? state.sinceMs : nowMs,
      isInitialized,
      desiredPods: zero.desired,
    },
    desiredPods: zero.desired,
    mode: decideMode(phase, zero.want, input),
    numActivators: decideActivators(spec, input.readyPods),
    limits,
    wait: zero.wait,
    waitUntilMs: zero.untilMs,
    isTimedOut: zero.isTimedOut === true,
  };
}

/** An activation whose load is not known is treated as idle, so that its deadline applies. */
function applyBounds(spec: ScalingSpec, state: PodsState, input: PodsInput, limits: PodsLimit[]): number {
  const unknown = state.phase === "activating" ? 0 : state.desiredPods;
  const asked = input.recommendedPods ?? unknown;
  let least = input.isReachable ? spec.minScale : 0;
  let raisedBy: PodsLimit = "min-scale";
  if (!state.isInitialized && input.isReachable && spec.initialScale > 1 && spec.initialScale > least) {
    least = spec.initialScale;
    raisedBy = "initial-scale";
  }
  const raised = Math.max(asked, least);
  if (raised > asked) limits.push(raisedBy);
  if (spec.maxScale === 0 || raised <= spec.maxScale) return raised;
  limits.push("max-scale");
  return spec.maxScale;
}

/** `want` undefined: keeps what there is, and asks for nothing. */
interface ZeroAnswer {
  readonly want: number | undefined;
  readonly desired: number;
  readonly wait?: Wait;
  readonly untilMs?: number;
  readonly isTimedOut?: boolean;
}

/** The states on the way to zero. Nothing is taken away before activators are known to catch the next request. */
function decideZero(spec: ScalingSpec, state: PodsState, input: PodsInput, nowMs: number): ZeroAnswer {
  const kept = state.desiredPods;
  if (!spec.enableScaleToZero) return { want: 1, desired: 1, wait: "scale-to-zero-disabled" };
  switch (state.phase) {
    case "activating": {
      const untilMs = state.sinceMs + spec.progressDeadlineMs + activationMarginMs;
      if (nowMs >= untilMs) return { want: 0, desired: 0, isTimedOut: true };
      return { want: undefined, desired: kept, wait: "pods-starting", untilMs };
    }
    case "active": {
      const untilMs = state.sinceMs + spec.stableWindowMs;
      if (nowMs >= untilMs) return { want: 0, desired: kept, wait: "activators-in-path" };
      return { want: 1, desired: 1, wait: "active-for-a-window", untilMs };
    }
    case "inactive":
      break;
  }
  const wait = kept === 0 ? undefined : findInactiveWait(spec, state, input, nowMs);
  return wait === undefined ? { want: 0, desired: 0 } : { want: 0, desired: kept, ...wait };
}

function findInactiveWait(
  spec: ScalingSpec,
  state: PodsState,
  input: PodsInput,
  nowMs: number,
): { wait: Wait; untilMs?: number } | undefined {
  if (input.appliedMode !== "proxy") return { wait: "activators-in-path" };
  const retentionMs = input.isReachable ? spec.podRetentionPeriodMs : 0;
  const retainedUntilMs = state.sinceMs + retentionMs;
  if (nowMs < retainedUntilMs) return { wait: "pod-retention", untilMs: retainedUntilMs };
  const graceUntilMs = Math.min(state.sinceMs, input.appliedModeSinceMs) + spec.scaleToZeroGracePeriodMs;
  if (nowMs < graceUntilMs) return { wait: "grace-period", untilMs: graceUntilMs };
  if (nowMs < input.idleFromMs) return { wait: "exact-activity", untilMs: input.idleFromMs };
  return undefined;
}

function decidePhase(phase: Phase, want: number | undefined, isReady: boolean): Phase {
  if (want === 0) return "inactive";
  if (want === undefined && phase === "inactive") return "inactive";
  return isReady ? "active" : "activating";
}

/** Callers may go straight to pods only where there is one, and a burst would fit. */
function decideMode(phase: Phase, want: number | undefined, input: PodsInput): Mode {
  const isWanted = want === undefined ? phase !== "inactive" : want > 0;
  return isWanted && input.readyPods > 0 && input.excessBurstCapacity >= 0 ? "serve" : "proxy";
}

function decideActivators(spec: ScalingSpec, readyPods: number): number {
  if (spec.targetBurstCapacity === 0) return leastActivators;
  const load = readyPods * spec.totalValue + Math.max(spec.targetBurstCapacity, 0);
  return Math.max(leastActivators, Math.ceil(load / spec.activatorCapacity));
}
