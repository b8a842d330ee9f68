export const packageName = "activator";
