export const packageName = "kit";
