import type { IncomingHttpHeaders } from "node:http";

/** Not sent on to the client: hop-by-hop (RFC 9110 §7.6.1), and what only our own processes say to one another. */
const dropped = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "transfer-encoding",
  "upgrade",
  "sluice-refused",
]);

/** The app's response headers for the client, names and values in turn. `Trailer` stays: it announces what is sent on. */
export function toResponseHeaders(headers: IncomingHttpHeaders): string[] {
  const named = headers.connection === undefined ? undefined : namedByConnection(headers.connection);
  const flat: string[] = [];
  for (const name in headers) {
    if (dropped.has(name) || named?.has(name) === true) continue;
    const value = headers[name];
    if (typeof value === "string") flat.push(name, value);
    // HTTP/2's status is a number among them, and no header.
    else if (Array.isArray(value)) for (const one of value) flat.push(name, one);
  }
  return flat;
}

function namedByConnection(connection: string): Set<string> | undefined {
  if (connection === "keep-alive" || connection === "close") return undefined;
  const named = new Set(connection.split(",").map((option) => option.trim().toLowerCase()));
  // Never the framing: taking it away would let two sides disagree where the body ends.
  named.delete("content-length");
  return named;
}

/** Framing has no place in a 101 (RFC 9110 §8.6, RFC 9112 §6.1): a client that believed it would misread the tunnel. */
const notInUpgrade = new Set(["content-length", "transfer-encoding", "sluice-refused"]);

/** The headers of a 101, names and values in turn as they came. */
export function toUpgradeHeaders(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (!notInUpgrade.has(name.toLowerCase())) kept.push(name, rawHeaders[index + 1] ?? "");
  }
  return kept;
}

/** Trailers, names and values in turn; undefined when there are none. Framing fields have no business there (RFC 9110 §6.5.1). */
export function toTrailers(trailers: IncomingHttpHeaders): string[] | undefined {
  const flat = toResponseHeaders(trailers);
  const kept: string[] = [];
  for (let index = 0; index < flat.length; index += 2) {
    const name = flat[index] ?? "";
    if (name !== "content-length" && name !== "trailer") kept.push(name, flat[index + 1] ?? "");
  }
  return kept.length === 0 ? undefined : kept;
}
