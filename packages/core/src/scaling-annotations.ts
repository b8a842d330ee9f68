import { burstCapacityRule, kpaClass, windowRule } from "./autoscaler-config.ts";
import {
  durationRule,
  integerRule,
  isWholeSeconds,
  numberRule,
  textRule,
  type ValueProblem,
  type ValueRule,
} from "./value-rule.ts";

export type ScalingMetric = "concurrency" | "rps";
export type AggregationAlgorithm = "linear" | "weighted-exponential";

/** What a revision's annotations say about scaling; a field that is missing leaves it to the cluster's defaults. */
export interface ScalingAnnotations {
  readonly class?: string;
  readonly metric?: string;
  readonly target?: number;
  readonly targetUtilizationPercentage?: number;
  readonly targetBurstCapacity?: number;
  readonly windowMs?: number;
  readonly panicWindowPercentage?: number;
  readonly panicThresholdPercentage?: number;
  readonly minScale?: number;
  readonly maxScale?: number;
  readonly initialScale?: number;
  readonly activationScale?: number;
  readonly scaleDownDelayMs?: number;
  readonly podRetentionPeriodMs?: number;
  readonly aggregationAlgorithm?: AggregationAlgorithm;
  readonly progressDeadlineMs?: number;
}

/** One annotation: its key, the older spellings that Knative still reads, and its bounds. */
export interface ScalingAnnotation<T> {
  /** The first one that is present counts. */
  readonly keys: readonly [string, ...string[]];
  readonly rule: ValueRule<T>;
  readonly meaning: string;
}

type AnnotationTable = {
  readonly [Field in keyof ScalingAnnotations]-?: ScalingAnnotation<
    Exclude<ScalingAnnotations[Field], undefined>
  >;
};

const prefix = "autoscaling.knative.dev/";
const hpaClass = "hpa.autoscaling.knative.dev";
const scale = integerRule(0);

const algorithms: Readonly<Record<string, AggregationAlgorithm>> = {
  linear: "linear",
  "weighted-exponential": "weighted-exponential",
  weightedExponential: "weighted-exponential",
};

/** Every annotation that scaling reads, with Knative's aliases and bounds (reference §3.2). */
export const scalingAnnotations: AnnotationTable = {
  class: {
    keys: [`${prefix}class`],
    rule: {
      rule: `${kpaClass}, ${hpaClass}, or a class outside knative.dev`,
      parse: (text) =>
        text.endsWith(".knative.dev") && text !== kpaClass && text !== hpaClass ? undefined : text,
    },
    meaning: "Which autoscaler decides.",
  },
  metric: {
    keys: [`${prefix}metric`],
    rule: { ...textRule, parse: (text) => (text === "" ? undefined : text) },
    meaning: "What is measured: concurrency or rps.",
  },
  target: {
    keys: [`${prefix}target`],
    rule: numberRule("a number of at least 0.01", (value) => value >= 0.01),
    meaning: "Load of one pod, before the utilisation.",
  },
  targetUtilizationPercentage: {
    keys: [`${prefix}target-utilization-percentage`, `${prefix}targetUtilizationPercentage`],
    rule: numberRule("a percentage from 1 to 100", (value) => value >= 1 && value <= 100),
    meaning: "The part of the target that scaling aims to use.",
  },
  targetBurstCapacity: {
    keys: [`${prefix}target-burst-capacity`, `${prefix}targetBurstCapacity`],
    rule: burstCapacityRule,
    meaning: "Burst that must fit without activators in the path.",
  },
  windowMs: {
    keys: [`${prefix}window`],
    rule: windowRule,
    meaning: "Time over which load is averaged.",
  },
  panicWindowPercentage: {
    keys: [`${prefix}panic-window-percentage`, `${prefix}panicWindowPercentage`],
    rule: numberRule("a percentage from 1 to 100", (value) => value >= 1 && value <= 100),
    meaning: "Panic window as a part of the window.",
  },
  panicThresholdPercentage: {
    keys: [`${prefix}panic-threshold-percentage`, `${prefix}panicThresholdPercentage`],
    rule: numberRule("a percentage from 110 to 1000", (value) => value >= 110 && value <= 1000),
    meaning: "Wanted pods, in percent of ready ones, from which panic begins.",
  },
  minScale: {
    keys: [`${prefix}min-scale`, `${prefix}minScale`],
    rule: scale,
    meaning: "Least pods while a route leads to the revision.",
  },
  maxScale: {
    keys: [`${prefix}max-scale`, `${prefix}maxScale`],
    rule: scale,
    meaning: "Most pods; 0 is no limit.",
  },
  initialScale: {
    keys: [`${prefix}initial-scale`, `${prefix}initialScale`],
    rule: scale,
    meaning: "Pods to start with.",
  },
  activationScale: {
    keys: [`${prefix}activation-scale`],
    rule: integerRule(2),
    meaning: "Least pods whenever there is load.",
  },
  scaleDownDelayMs: {
    keys: [`${prefix}scale-down-delay`, `${prefix}scaleDownDelay`],
    rule: durationRule(
      "a duration from 0 to 1h in whole seconds",
      (value) => value >= 0 && value <= 3_600_000 && isWholeSeconds(value),
    ),
    meaning: "How long lower load must last before pods go.",
  },
  podRetentionPeriodMs: {
    keys: [`${prefix}scale-to-zero-pod-retention-period`, `${prefix}scaleToZeroPodRetentionPeriod`],
    rule: durationRule("a duration from 0 to 1h", (value) => value >= 0 && value <= 3_600_000),
    meaning: "How long the last pod stays at least after the decision to go to zero.",
  },
  aggregationAlgorithm: {
    keys: [`${prefix}metric-aggregation-algorithm`, `${prefix}metricAggregationAlgorithm`],
    rule: {
      rule: "linear or weighted-exponential",
      parse: (text) => (Object.hasOwn(algorithms, text) ? algorithms[text] : undefined),
    },
    meaning: "How the window is averaged.",
  },
  progressDeadlineMs: {
    keys: ["serving.knative.dev/progress-deadline"],
    rule: durationRule("a duration of at least 0 in whole seconds", (v) => v >= 0 && isWholeSeconds(v)),
    meaning: "How long pods may take to become ready before the start counts as failed.",
  },
};

type Draft = { -readonly [Field in keyof ScalingAnnotations]: ScalingAnnotations[Field] };

const fields = Object.keys(scalingAnnotations) as (keyof ScalingAnnotations)[];

/** Reads the annotations of a revision; a value that breaks its rule is left out and reported. */
export function parseScalingAnnotations(annotations: Readonly<Record<string, string>>): {
  parsed: ScalingAnnotations;
  problems: ValueProblem[];
} {
  const parsed: Draft = {};
  const problems: ValueProblem[] = [];
  for (const field of fields) {
    const key = findKey(annotations, field);
    if (key === undefined) continue;
    const text = annotations[key] ?? "";
    if (!setParsed(parsed, field, text)) {
      problems.push({ name: key, rule: scalingAnnotations[field].rule.rule, value: text });
    }
  }
  return { parsed, problems };
}

/** The spelling of an annotation that a revision uses. */
export function findKey(
  annotations: Readonly<Record<string, string>>,
  field: keyof ScalingAnnotations,
): string | undefined {
  return scalingAnnotations[field].keys.find((key) => Object.hasOwn(annotations, key));
}

function setParsed<Field extends keyof ScalingAnnotations>(
  draft: Pick<Draft, Field>,
  field: Field,
  text: string,
): boolean {
  const rule = scalingAnnotations[field].rule as ValueRule<Draft[Field]>;
  const value = rule.parse(text);
  if (value !== undefined) draft[field] = value;
  return value !== undefined;
}
