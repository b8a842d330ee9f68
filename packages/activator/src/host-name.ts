/**
 * The host that routing compares: lower case, without port, trailing dot and the brackets of an IPv6 literal.
 * Undefined for a header that is empty or cannot be a host (RFC 9110 §7.2 allows an empty one; it routes nowhere).
 */
export function normalizeHost(header: string | undefined): string | undefined {
  if (header === undefined || header === "" || header.length > 261) return undefined;
  const host = stripPort(header).toLowerCase();
  const name = host.endsWith(".") ? host.slice(0, -1) : host;
  return name === "" || name.includes("/") || name.includes("@") ? undefined : name;
}

function stripPort(header: string): string {
  if (header.startsWith("[")) {
    const end = header.indexOf("]");
    return end > 0 ? header.slice(1, end) : header;
  }
  const colon = header.lastIndexOf(":");
  return colon < 0 || header.indexOf(":") !== colon ? header : header.slice(0, colon);
}

/** A name that only means something inside the cluster: what `{name}.{namespace}.svc…` names. */
export interface LocalName {
  readonly name: string;
  readonly namespace: string;
}

/** `a.b`, `a.b.svc` and `a.b.svc.{cluster domain}`, whatever the cluster's domain is. */
export function parseLocalName(host: string): LocalName | undefined {
  const [name = "", namespace = "", svc] = host.split(".", 3);
  if (name === "" || namespace === "") return undefined;
  return svc === undefined || svc === "svc" ? { name, namespace } : undefined;
}
