import { formatDuration as formatAnyDuration, type ScalingSpec } from "@sluice/core";
import type { ScaleAnswer, ScaleLimit, ScaleObservation } from "./decide-scale.ts";
import type { PodsAnswer, PodsLimit, Wait } from "./decide-pods.ts";

/** Everything that one evaluation knew and answered. */
export interface ReasonFacts {
  readonly spec: ScalingSpec;
  /** Undefined while load is not known. */
  readonly observation: ScaleObservation | undefined;
  readonly scale: ScaleAnswer | undefined;
  readonly pods: PodsAnswer;
  readonly readyPods: number;
  /** Whether the platform ever carried out a decision about this revision. */
  readonly isNew: boolean;
}

/** Which rule gave the number, in one word. */
export type DecisionRule = "stable" | "panic" | "idle" | "initial" | "no-data" | "gave-up";

const scaleLimitTexts: Readonly<Record<ScaleLimit, (facts: ReasonFacts) => string>> = {
  "max-scale-up-rate": ({ spec, readyPods }) =>
    `max-scale-up-rate ${format(spec.maxScaleUpRate)} allows ${Math.ceil(spec.maxScaleUpRate * Math.max(1, readyPods))}`,
  "max-scale-down-rate": ({ spec, readyPods }) =>
    `max-scale-down-rate ${format(spec.maxScaleDownRate)} keeps ${Math.floor(Math.max(1, readyPods) / spec.maxScaleDownRate)}`,
  "activation-scale": ({ spec }) => `activation-scale asks for ${spec.activationScale}`,
  "panic-never-shrinks": ({ scale }) => `panic never shrinks and keeps ${scale?.state.maxPanicPods ?? 0}`,
  "scale-down-delay": ({ spec, scale }) =>
    `scale-down-delay ${formatDuration(spec.scaleDownDelayMs)} keeps ${scale?.recommendedPods ?? 0}`,
};

const podsLimitTexts: Readonly<Record<PodsLimit, (spec: ScalingSpec) => string>> = {
  "min-scale": (spec) => `min-scale keeps ${spec.minScale}`,
  "max-scale": (spec) => `max-scale allows ${spec.maxScale}`,
  "initial-scale": (spec) => `initial-scale keeps ${spec.initialScale} until they are ready`,
};

const waitTexts: Readonly<Record<Wait, (spec: ScalingSpec) => string>> = {
  "scale-to-zero-disabled": () => "one pod stays, enable-scale-to-zero is false",
  "pods-starting": () => "pods that are starting are kept until they are ready",
  "active-for-a-window": (spec) =>
    `one pod stays until it was active for ${formatDuration(spec.stableWindowMs)}`,
  "activators-in-path": () => "pods stay until activators are in the path",
  "pod-retention": (spec) => `the last pod is retained for ${formatDuration(spec.podRetentionPeriodMs)}`,
  "grace-period": (spec) =>
    `the last pod stays for the grace period of ${formatDuration(spec.scaleToZeroGracePeriodMs)}`,
  "exact-activity": (spec) =>
    `the last pod stays until nothing was heard of it for ${formatDuration(spec.stableWindowMs + spec.scaleToZeroGracePeriodMs)}`,
};

export function decideRule(facts: ReasonFacts): DecisionRule {
  const { scale, pods } = facts;
  if (pods.isTimedOut) return "gave-up";
  if (scale === undefined) return facts.isNew ? "initial" : "no-data";
  if (scale.isPanicking) return "panic";
  return scale.recommendedPods === 0 ? "idle" : "stable";
}

/** One sentence for people: the load, what it asks for, and everything that changed that. */
export function describeDecision(rule: DecisionRule, facts: ReasonFacts): string {
  const { spec, scale, pods } = facts;
  let text = describeRule(rule, facts);
  for (const limit of scale?.limits ?? []) text += `; ${scaleLimitTexts[limit](facts)}`;
  for (const limit of pods.limits) text += `; ${podsLimitTexts[limit](spec)}`;
  if (pods.wait !== undefined && rule !== "initial") text += `; ${waitTexts[pods.wait](spec)}`;
  return text;
}

function describeRule(rule: DecisionRule, facts: ReasonFacts): string {
  const { spec, pods, readyPods } = facts;
  switch (rule) {
    case "panic":
      return describePanic(facts);
    case "stable":
      return `stable: ${describeLoad(facts, false)} asks for ${count(facts.scale?.stablePods ?? 0)}`;
    case "idle":
      return `idle: no load over ${formatDuration(spec.stableWindowMs)}`;
    case "initial":
      return pods.desiredPods === 0
        ? "new: starts at zero and waits for the first request"
        : `new: starts with ${count(pods.desiredPods)}`;
    case "no-data":
      return pods.desiredPods === 0
        ? "idle: at zero, waits for a request"
        : `no reports: keeps ${count(pods.desiredPods)} (${readyPods} ready) until load is known`;
    case "gave-up":
      break;
  }
  return `gave up: no pod became ready within ${formatDuration(spec.progressDeadlineMs)}`;
}

function describePanic(facts: ReasonFacts): string {
  const { spec, scale, readyPods } = facts;
  if (scale === undefined) return "panic";
  const ratio = scale.panicRatio;
  const asks = `panic: ${describeLoad(facts, true)} asks for ${count(scale.panicPods)}`;
  return ratio >= spec.panicThreshold
    ? `${asks}, ${ratio.toFixed(1)}x the ${readyPods} ready (limit ${spec.panicThreshold.toFixed(1)}x)`
    : `${asks}, and the last surge is less than ${formatDuration(spec.stableWindowMs)} ago`;
}

function describeLoad({ spec, observation }: ReasonFacts, isPanic: boolean): string {
  const value = (isPanic ? observation?.panicValue : observation?.stableValue) ?? 0;
  const unit = spec.metric === "rps" ? "requests/s" : "in flight";
  const windowMs = isPanic ? spec.panicWindowMs : spec.stableWindowMs;
  return `${format(value)} ${unit} over ${formatDuration(windowMs)} at target ${format(spec.targetValue)}`;
}

function count(pods: number): string {
  return pods === 1 ? "1 pod" : `${pods} pods`;
}

/** At most two decimals. */
function format(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** The few durations of settings, each formatted once: sentences are made at every evaluation. */
function formatDuration(durationMs: number): string {
  let text = durationTexts.get(durationMs);
  if (text === undefined) {
    if (durationTexts.size >= maxDurationTexts) durationTexts.clear();
    text = formatAnyDuration(durationMs);
    durationTexts.set(durationMs, text);
  }
  return text;
}

const durationTexts = new Map<number, string>();
const maxDurationTexts = 1000;
