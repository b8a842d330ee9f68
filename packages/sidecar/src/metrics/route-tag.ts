/** The name under which metrics count a request's route (reference §1.4). */
export function toRouteTag(tag: string | undefined, defaultRoute: string | undefined): string {
  const hasDefault = (defaultRoute ?? "") !== "";
  if ((tag ?? "") === "") return hasDefault ? "kn:default" : "kn:disabled";
  return defaultRoute === "true" ? "kn:undefined" : (tag ?? "");
}
