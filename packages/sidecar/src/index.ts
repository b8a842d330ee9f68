export const packageName = "sidecar";
