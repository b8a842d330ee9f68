export const packageName = "local";
