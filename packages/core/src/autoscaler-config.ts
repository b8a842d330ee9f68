import {
  booleanRule,
  durationRule,
  integerRule,
  isWholeSeconds,
  numberRule,
  textRule,
  type ValueProblem,
  type ValueRule,
} from "./value-rule.ts";

/** The class of revisions that the aggregator decides for. */
export const kpaClass = "kpa.autoscaling.knative.dev";

/**
 * The cluster-wide scaling defaults: Knative's ConfigMap `config-autoscaler`, parsed. Durations are milliseconds,
 * scales are pods, 0 for "none" where Knative has it so.
 */
export interface AutoscalerConfig {
  readonly podAutoscalerClass: string;
  readonly enableScaleToZero: boolean;
  readonly allowZeroInitialScale: boolean;
  readonly maxScaleUpRate: number;
  readonly maxScaleDownRate: number;
  /** 0 to 1. */
  readonly targetFraction: number;
  readonly concurrencyTarget: number;
  readonly requestsPerSecondTarget: number;
  /** -1: activators always stay in the path. */
  readonly targetBurstCapacity: number;
  readonly panicWindowPercentage: number;
  readonly panicThresholdPercentage: number;
  readonly activatorCapacity: number;
  readonly stableWindowMs: number;
  readonly scaleDownDelayMs: number;
  readonly scaleToZeroGracePeriodMs: number;
  readonly podRetentionPeriodMs: number;
  readonly initialScale: number;
  readonly minScale: number;
  readonly maxScale: number;
  readonly maxScaleLimit: number;
}

/** One key of `config-autoscaler`. */
export interface AutoscalerConfigKey<T> {
  readonly key: string;
  readonly default: T;
  readonly rule: ValueRule<T>;
  /** What it does, for the settings table. */
  readonly meaning: string;
}

type ConfigTable = {
  readonly [Field in keyof AutoscalerConfig]: AutoscalerConfigKey<AutoscalerConfig[Field]>;
};

const aboveOne = numberRule("a number above 1", (value) => value > 1);
const percentage = numberRule("a percentage from 1 to 100", (value) => value >= 1 && value <= 100);
const targetRule = numberRule("a number of at least 0.01", (value) => value >= 0.01);
const scale = integerRule(0);

/** 0.7 and 70 both mean 70 %. */
const fraction: ValueRule<number> = {
  rule: "a percentage above 0 and up to 100, or a fraction of 1",
  parse(text) {
    const value = numberRule("a number").parse(text) ?? Number.NaN;
    const asFraction = value > 1 ? value / 100 : value;
    return asFraction > 0 && asFraction <= 1 ? asFraction : undefined;
  },
};

export const burstCapacityRule = numberRule(
  "a number of at least 0, or -1 to keep activators in the path",
  (value) => value >= 0 || value === -1,
);

export const windowRule = durationRule(
  "a duration from 6s to 1h in whole seconds",
  (value) => value >= 6000 && value <= 3_600_000 && isWholeSeconds(value),
);

/** Every key of `config-autoscaler`, with Knative's default and bounds (reference §3.1). */
export const autoscalerConfigKeys: ConfigTable = {
  podAutoscalerClass: {
    key: "pod-autoscaler-class",
    default: kpaClass,
    rule: textRule,
    meaning: "Autoscaler of revisions that name none; others than the KPA are left to somebody else.",
  },
  enableScaleToZero: {
    key: "enable-scale-to-zero",
    default: true,
    rule: booleanRule,
    meaning: "Whether the last pod may go.",
  },
  allowZeroInitialScale: {
    key: "allow-zero-initial-scale",
    default: false,
    rule: booleanRule,
    meaning: "Whether an initial scale of 0 is allowed.",
  },
  maxScaleUpRate: {
    key: "max-scale-up-rate",
    default: 1000,
    rule: aboveOne,
    meaning: "The most that one decision multiplies ready pods by.",
  },
  maxScaleDownRate: {
    key: "max-scale-down-rate",
    default: 2,
    rule: aboveOne,
    meaning: "The most that one decision divides ready pods by.",
  },
  targetFraction: {
    key: "container-concurrency-target-percentage",
    default: 0.7,
    rule: fraction,
    meaning: "The part of a pod's concurrency that scaling aims to use.",
  },
  concurrencyTarget: {
    key: "container-concurrency-target-default",
    default: 100,
    rule: targetRule,
    meaning: "Concurrency of a pod when neither the revision nor an annotation limits it.",
  },
  requestsPerSecondTarget: {
    key: "requests-per-second-target-default",
    default: 200,
    rule: targetRule,
    meaning: "Requests per second of a pod for the metric rps.",
  },
  targetBurstCapacity: {
    key: "target-burst-capacity",
    default: 211,
    rule: burstCapacityRule,
    meaning: "Burst that must fit without activators in the path; 0 leaves them only at zero pods.",
  },
  panicWindowPercentage: {
    key: "panic-window-percentage",
    default: 10,
    rule: percentage,
    meaning: "Panic window as a part of the stable window.",
  },
  panicThresholdPercentage: {
    key: "panic-threshold-percentage",
    default: 200,
    rule: numberRule("a number"),
    meaning: "Wanted pods, in percent of ready ones, from which panic begins.",
  },
  activatorCapacity: {
    key: "activator-capacity",
    default: 100,
    rule: numberRule("a number of at least 1", (value) => value >= 1),
    meaning: "Requests at once that one activator takes, for how many a revision gets.",
  },
  stableWindowMs: {
    key: "stable-window",
    default: 60_000,
    rule: windowRule,
    meaning: "Time over which load is averaged.",
  },
  scaleDownDelayMs: {
    key: "scale-down-delay",
    default: 0,
    rule: durationRule("a duration of at least 0 in whole seconds", (v) => v >= 0 && isWholeSeconds(v)),
    meaning: "How long lower load must last before pods go.",
  },
  scaleToZeroGracePeriodMs: {
    key: "scale-to-zero-grace-period",
    default: 30_000,
    rule: durationRule("a duration above 0", (value) => value > 0),
    meaning: "How long activators are in the path before the last pod goes.",
  },
  podRetentionPeriodMs: {
    key: "scale-to-zero-pod-retention-period",
    default: 0,
    rule: durationRule("a duration of at least 0", (value) => value >= 0),
    meaning: "How long the last pod stays at least after the decision to go to zero.",
  },
  initialScale: {
    key: "initial-scale",
    default: 1,
    rule: scale,
    meaning: "Pods that a new revision starts with.",
  },
  minScale: {
    key: "min-scale",
    default: 0,
    rule: scale,
    meaning: "Least pods of a revision that has traffic.",
  },
  maxScale: { key: "max-scale", default: 0, rule: scale, meaning: "Most pods of a revision; 0 is no limit." },
  maxScaleLimit: {
    key: "max-scale-limit",
    default: 0,
    rule: scale,
    meaning: "Highest max-scale that a revision may ask for; 0 is no limit.",
  },
};

type Draft = { -readonly [Field in keyof AutoscalerConfig]: AutoscalerConfig[Field] };

const fields = Object.keys(autoscalerConfigKeys) as (keyof AutoscalerConfig)[];
const fieldsByKey = new Map<string, keyof AutoscalerConfig>(
  fields.map((field) => [autoscalerConfigKeys[field].key, field]),
);

/** Knative's defaults. */
export const defaultAutoscalerConfig: AutoscalerConfig = createDefaults();

function createDefaults(): AutoscalerConfig {
  const draft = {} as Draft;
  for (const field of fields) setDefault(draft, field);
  return draft;
}

function setDefault<Field extends keyof AutoscalerConfig>(draft: Pick<Draft, Field>, field: Field): void {
  draft[field] = autoscalerConfigKeys[field].default;
}

function setParsed<Field extends keyof AutoscalerConfig>(
  draft: Pick<Draft, Field>,
  field: Field,
  text: string,
): boolean {
  const value = autoscalerConfigKeys[field].rule.parse(text);
  if (value !== undefined) draft[field] = value;
  return value !== undefined;
}

/**
 * Parses the data of `config-autoscaler`. Missing keys have Knative's defaults; keys that nobody knows are left
 * alone, as Knative does (`_example` is one). With problems the configuration must not be used.
 */
export function parseAutoscalerConfig(data: Readonly<Record<string, string>>): {
  config: AutoscalerConfig;
  problems: ValueProblem[];
} {
  const config: Draft = { ...defaultAutoscalerConfig };
  const problems: ValueProblem[] = [];
  for (const [key, text] of Object.entries(data)) {
    const field = fieldsByKey.get(key);
    if (field === undefined || setParsed(config, field, text.trim())) continue;
    problems.push({ name: key, rule: autoscalerConfigKeys[field].rule.rule, value: text });
  }
  return { config, problems: [...problems, ...findContradictions(config)] };
}

/** Rules over more than one key. */
function findContradictions(config: AutoscalerConfig): ValueProblem[] {
  const problems: ValueProblem[] = [];
  const refuse = (field: keyof AutoscalerConfig, rule: string): void =>
    void problems.push({ name: autoscalerConfigKeys[field].key, rule, value: String(config[field]) });
  if (config.targetFraction * config.concurrencyTarget < 0.01) {
    refuse("concurrencyTarget", "at least 0.01 after container-concurrency-target-percentage");
  }
  if (config.initialScale === 0 && !config.allowZeroInitialScale) {
    refuse("initialScale", "at least 1 while allow-zero-initial-scale is false");
  }
  const { minScale, maxScale, maxScaleLimit } = config;
  if (maxScale > 0 && minScale > maxScale) refuse("minScale", `at most max-scale (${maxScale})`);
  if (maxScaleLimit > 0 && (maxScale < 1 || maxScale > maxScaleLimit)) {
    refuse("maxScale", `from 1 to max-scale-limit (${maxScaleLimit})`);
  }
  return problems;
}
