export const packageName = "dataplane";
