import { headerNames, probeTargets } from "@sluice/core";
import type { RequestHead } from "@sluice/dataplane";

/** Who sent the request. */
export interface Sender {
  readonly address: string;
  readonly isSecure: boolean;
}

/**
 * The headers for the pod, `Host` left out because it differs from attempt to attempt: what the client sent end to end, the
 * host it asked for in `K-Original-Host`, and who it was. What a sender says about whom it forwards for is extended;
 * where its word does not count, `head` no longer has it. Takes over `head.endToEnd`.
 */
export function toForwardHeaders(head: RequestHead, host: string, sender: Sender): string[] {
  const headers = head.proxyRequest === undefined ? head.endToEnd : withoutProxyRequest(head.endToEnd);
  const { forwardedFor } = head;
  headers.push(
    "X-Forwarded-For",
    forwardedFor === undefined || forwardedFor === "" ? sender.address : `${forwardedFor}, ${sender.address}`,
    "K-Original-Host",
    head.originalHost ?? host,
    "K-Proxy-Request",
    probeTargets.activator,
  );
  if (head.forwardedHost === undefined) headers.push("X-Forwarded-Host", host);
  if (head.forwardedProto === undefined)
    headers.push("X-Forwarded-Proto", sender.isSecure ? "https" : "http");
  if (head.forwarded !== undefined) headers.push("Forwarded", head.forwarded);
  return headers;
}

/** Only a trusted sender's is still there, and it would be joined with ours. */
function withoutProxyRequest(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    if (name.toLowerCase() !== headerNames.proxyRequest) kept.push(name, headers[index + 1] ?? "");
  }
  return kept;
}

/** IPv4 addresses that a dual-stack socket shows as IPv6 are shown as what they are. */
export function toPlainAddress(address: string | undefined): string {
  if (address === undefined) return "unknown";
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}
