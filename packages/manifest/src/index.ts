export const packageName = "manifest";
