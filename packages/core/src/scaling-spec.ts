import { kpaClass, type AutoscalerConfig } from "./autoscaler-config.ts";
import {
  findKey,
  parseScalingAnnotations,
  scalingAnnotations,
  type AggregationAlgorithm,
  type ScalingAnnotations,
  type ScalingMetric,
} from "./scaling-annotations.ts";
import type { ValueProblem } from "./value-rule.ts";

/** Everything that deciding the scale of one revision needs to know: annotations over the cluster's defaults. */
export interface ScalingSpec {
  /** Whether the pod autoscaler decides; other classes are left alone. */
  readonly isKpa: boolean;
  readonly metric: ScalingMetric;
  readonly algorithm: AggregationAlgorithm;
  /** Load that one pod is meant to have: `totalValue` times the utilisation, at least 0.01. */
  readonly targetValue: number;
  /** Load that one pod can take. */
  readonly totalValue: number;
  readonly targetBurstCapacity: number;
  readonly stableWindowMs: number;
  readonly panicWindowMs: number;
  /** Wanted pods over ready ones from which panic begins; 2 is 200 %. */
  readonly panicThreshold: number;
  readonly maxScaleUpRate: number;
  readonly maxScaleDownRate: number;
  readonly scaleDownDelayMs: number;
  /** 1 is none. */
  readonly activationScale: number;
  readonly minScale: number;
  /** 0 is no limit. */
  readonly maxScale: number;
  readonly initialScale: number;
  readonly enableScaleToZero: boolean;
  readonly scaleToZeroGracePeriodMs: number;
  readonly podRetentionPeriodMs: number;
  readonly progressDeadlineMs: number;
  readonly activatorCapacity: number;
}

/** Knative's `config-deployment` default. */
const defaultProgressDeadlineMs = 600_000;
const leastTarget = 0.01;
/** Knative has no setting for it. */
const requestsPerSecondFraction = 0.7;

/**
 * Resolves the scaling of a revision. An annotation that breaks a rule is reported and counts as missing, so the
 * spec is always usable; whoever has an older good one keeps that instead.
 */
export function resolveScalingSpec(
  config: AutoscalerConfig,
  revision: { readonly annotations: Readonly<Record<string, string>>; readonly containerConcurrency: number },
): { spec: ScalingSpec; problems: ValueProblem[] } {
  const { parsed, problems } = parseScalingAnnotations(revision.annotations);
  const refused = new Set<keyof ScalingAnnotations>();
  for (const { field, rule } of findContradictions(config, parsed)) {
    refused.add(field);
    const key = findKey(revision.annotations, field) ?? scalingAnnotations[field].keys[0];
    problems.push({ name: key, rule, value: revision.annotations[key] ?? "" });
  }
  const usable = Object.fromEntries(
    Object.entries(parsed).filter(([field]) => !refused.has(field as keyof ScalingAnnotations)),
  ) as ScalingAnnotations;
  return { spec: toSpec(config, usable, revision.containerConcurrency), problems };
}

interface Contradiction {
  readonly field: keyof ScalingAnnotations;
  readonly rule: string;
}

/** Rules over more than one value. */
function findContradictions(config: AutoscalerConfig, given: ScalingAnnotations): Contradiction[] {
  const found: Contradiction[] = [];
  const { minScale = 0, maxScale = 0, activationScale, initialScale } = given;
  const limit = config.maxScaleLimit;
  if (isKpaClass(config, given) && given.metric !== undefined && !isKpaMetric(given.metric)) {
    found.push({ field: "metric", rule: "concurrency or rps" });
  }
  if (maxScale !== 0 && minScale > maxScale) {
    found.push({ field: "minScale", rule: `at most max-scale (${maxScale})` });
  }
  if (given.maxScale !== undefined && limit > 0 && (maxScale < 1 || maxScale > limit)) {
    found.push({ field: "maxScale", rule: `from 1 to the cluster's max-scale-limit (${limit})` });
  }
  if (initialScale === 0 && !config.allowZeroInitialScale) {
    found.push({
      field: "initialScale",
      rule: "at least 1: the cluster's allow-zero-initial-scale is false",
    });
  }
  if (activationScale !== undefined && activationScale < minScale) {
    found.push({ field: "activationScale", rule: `at least min-scale (${minScale})` });
  }
  if (activationScale !== undefined && maxScale !== 0 && activationScale > maxScale) {
    found.push({ field: "activationScale", rule: `at most max-scale (${maxScale})` });
  }
  return found;
}

function isKpaClass(config: AutoscalerConfig, given: ScalingAnnotations): boolean {
  return (given.class ?? config.podAutoscalerClass) === kpaClass;
}

function isKpaMetric(metric: string): metric is ScalingMetric {
  return metric === "concurrency" || metric === "rps";
}

function toSpec(
  config: AutoscalerConfig,
  given: ScalingAnnotations,
  containerConcurrency: number,
): ScalingSpec {
  const metric = given.metric === "rps" ? "rps" : "concurrency";
  const stableWindowMs = given.windowMs ?? config.stableWindowMs;
  const panicPercentage = given.panicWindowPercentage ?? config.panicWindowPercentage;
  return {
    isKpa: isKpaClass(config, given),
    metric,
    algorithm: given.aggregationAlgorithm ?? "linear",
    ...toTargets(config, given, containerConcurrency),
    targetBurstCapacity: given.targetBurstCapacity ?? config.targetBurstCapacity,
    stableWindowMs,
    panicWindowMs: Math.max(1000, Math.round((stableWindowMs * panicPercentage) / 100_000) * 1000),
    panicThreshold: (given.panicThresholdPercentage ?? config.panicThresholdPercentage) / 100,
    maxScaleUpRate: config.maxScaleUpRate,
    maxScaleDownRate: config.maxScaleDownRate,
    scaleDownDelayMs: given.scaleDownDelayMs ?? config.scaleDownDelayMs,
    activationScale: given.activationScale ?? 1,
    minScale: given.minScale ?? config.minScale,
    maxScale: given.maxScale ?? config.maxScale,
    initialScale: given.initialScale ?? config.initialScale,
    enableScaleToZero: config.enableScaleToZero,
    scaleToZeroGracePeriodMs: config.scaleToZeroGracePeriodMs,
    podRetentionPeriodMs: given.podRetentionPeriodMs ?? config.podRetentionPeriodMs,
    progressDeadlineMs: given.progressDeadlineMs ?? defaultProgressDeadlineMs,
    activatorCapacity: config.activatorCapacity,
  };
}

/** Targets of reference §3.3: the annotation replaces the total, but never exceeds what the pod lets in. */
function toTargets(
  config: AutoscalerConfig,
  given: ScalingAnnotations,
  containerConcurrency: number,
): { targetValue: number; totalValue: number } {
  const isRps = given.metric === "rps";
  const utilization = given.targetUtilizationPercentage;
  const fraction =
    utilization === undefined
      ? isRps
        ? requestsPerSecondFraction
        : config.targetFraction
      : utilization / 100;
  let totalValue = isRps ? config.requestsPerSecondTarget : containerConcurrency || config.concurrencyTarget;
  if (given.target !== undefined) {
    totalValue =
      !isRps && containerConcurrency > 0 ? Math.min(given.target, containerConcurrency) : given.target;
  }
  return { targetValue: Math.max(leastTarget, totalValue * fraction), totalValue };
}
