export { startScaler, type Scaler, type ScalerOptions } from "./service.ts";
export { readScalerSettings, scalerSettings, type ScalerSettings } from "./scaler-settings.ts";
export { createScalerMetrics } from "./scaler-metrics.ts";
