export { createScaleState, decideScale, type ScaleAnswer, type ScaleState } from "./decide-scale.ts";
export { LoadWindow } from "./load-window.ts";
export { aggregatorSettings, readAggregatorSettings } from "./aggregator-settings.ts";
export { startAggregator, type Aggregator, type AggregatorOptions } from "./service.ts";
export { explainDecisions } from "./explain-decisions.ts";
export { formatLoadTrace, parseLoadTrace, type LoadSecond } from "./load-trace.ts";
export {
  simulateLoad,
  type SimulatedSecond,
  type Simulation,
  type SimulationOptions,
} from "./simulate-load.ts";
