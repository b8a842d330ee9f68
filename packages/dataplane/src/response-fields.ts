import type { FieldSection } from "./http2/field-section.ts";

/** Not sent on to the client: hop-by-hop (RFC 9110 §7.6.1), and what only our own processes say to one another. */
const dropped: ReadonlySet<string> = new Set([
  "proxy-authenticate",
  "proxy-authorization",
  "sluice-refused",
  "te",
]);

const notInTrailers: ReadonlySet<string> = new Set(["content-length", "trailer"]);

interface EndToEnd {
  readonly headers: string[];
  /** `Sluice-Refused`, which is for us. */
  readonly refused: string | undefined;
}

/** What an app's answer over HTTP/2 says to the client. Headers of connections are no part of HTTP/2 and were refused before. */
export function toEndToEnd({ headers }: FieldSection): EndToEnd {
  if (!hasDropped(headers)) return { headers, refused: undefined };
  const kept: string[] = [];
  let refused: string | undefined;
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    const value = headers[index + 1] ?? "";
    if (name === "sluice-refused") refused ??= value;
    if (!dropped.has(name)) kept.push(name, value);
  }
  return { headers: kept, refused };
}

function hasDropped(headers: readonly string[]): boolean {
  for (let index = 0; index < headers.length; index += 2) if (dropped.has(headers[index] ?? "")) return true;
  return false;
}

/** The same of trailers; undefined when there are none. Framing fields have no business there (RFC 9110 §6.5.1). */
export function toEndToEndTrailers(headers: readonly string[]): string[] | undefined {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    if (!dropped.has(name) && !notInTrailers.has(name)) kept.push(name, headers[index + 1] ?? "");
  }
  return kept.length === 0 ? undefined : kept;
}
