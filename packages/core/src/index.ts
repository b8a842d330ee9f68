export {
  autoscalerConfigKeys,
  defaultAutoscalerConfig,
  kpaClass,
  parseAutoscalerConfig,
  type AutoscalerConfig,
  type AutoscalerConfigKey,
} from "./autoscaler-config.ts";
export { systemClock, type CancelTimer, type Clock } from "./clock.ts";
export { decisionSchema, type Decision } from "./decision.ts";
export { formatDuration, parseDurationMs } from "./duration.ts";
export { errorCatalogue, SluiceError, type ErrorCode, type ErrorOrigin, type ErrorRetry } from "./error.ts";
export {
  feedObjectSchema,
  toFeedKey,
  type ActivatorMember,
  type AggregatorMember,
  type Applied,
  type Failure,
  type FeedObject,
  type Pod,
  type Revision,
  type Service,
} from "./feed.ts";
export { headerNames, probeTargets, probeUserAgentPrefixes } from "./header-names.ts";
export { toKey, toRevisionKey, type ObjectKey } from "./key.ts";
export { findOwner } from "./rendezvous.ts";
export { RequestStats, type RequestStatsReport } from "./request-stats.ts";
export { decodeStat, decodeStatBatch, encodeStat, encodeStatBatch, statContentType } from "./stat-codec.ts";
export {
  parseScalingAnnotations,
  scalingAnnotations,
  type AggregationAlgorithm,
  type ScalingAnnotation,
  type ScalingAnnotations,
  type ScalingMetric,
} from "./scaling-annotations.ts";
export { resolveScalingSpec, type ScalingSpec } from "./scaling-spec.ts";
export type { RevisionStat, Stat } from "./stat.ts";
export { describeProblem, type ValueProblem, type ValueRule } from "./value-rule.ts";
export { watchLineSchema, type WatchLine } from "./watch-line.ts";
