export const packageName = "scaler";
