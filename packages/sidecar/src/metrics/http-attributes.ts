import type { Attributes } from "./instrument.ts";

const knownMethods: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "PATCH",
  "OPTIONS",
  "TRACE",
  "CONNECT",
]);

/** Clients invent methods; series must not. The name for the rest is OpenTelemetry's. */
export function toKnownMethod(method: string): string {
  return knownMethods.has(method) ? method : "_OTHER";
}

const defaultPorts: Readonly<Record<string, string>> = { http: "80", https: "443" };

/** The host that a request was for; its port where it is not the scheme's own. */
export function toServerAddress(host: string, scheme: string): Attributes {
  const [, name = "", port = ""] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(host) ?? [];
  const address = name.replace(/^\[(.*)\]$/, "$1");
  if (address === "") return [];
  const hasPort = port !== "" && port !== defaultPorts[scheme];
  return [["server.address", address], ...(hasPort ? [["server.port", Number(port)] as const] : [])];
}
