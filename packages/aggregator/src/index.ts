export { createScaleState, decideScale, type ScaleAnswer, type ScaleState } from "./decide-scale.ts";
export { LoadWindow } from "./load-window.ts";
export { aggregatorSettings, readAggregatorSettings } from "./aggregator-settings.ts";
export { startAggregator, type Aggregator, type AggregatorOptions } from "./service.ts";
