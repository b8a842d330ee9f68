export const packageName = "aggregator";
