import { SluiceError } from "@sluice/core";
import type { RequestHead } from "./request-head.ts";

/** Where a request points, after RFC 9112 §3.2: the path in origin form, and the host that it is for. */
export interface RequestTarget {
  readonly path: string;
  readonly host: string;
}

const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/i;
/** A host and perhaps a port; no user information, path or blanks (RFC 9110 §4.2.4, §7.2). */
const hostPattern = /^(?:\[[0-9A-Fa-f:.]+\]|[^\s/\\?#@,[\]:"<>^`{|}]*)(?::\d*)?$/;

/**
 * Throws `bad-request` for a target or host that two servers could read differently. `authority` is HTTP/2's, which says
 * the same as `Host` where there are both (RFC 9113 §8.3.1).
 */
export function toRequestTarget(url: string, head: RequestHead, authority?: string): RequestTarget {
  const host = head.host ?? authority ?? "";
  if (authority !== undefined && authority.toLowerCase() !== host.toLowerCase()) {
    throw new SluiceError("bad-request", ":authority and Host differ");
  }
  checkHost(host);
  // A fragment is the client's own business; servers that get one disagree on whether it belongs to the path.
  if (url.includes("#")) throw new SluiceError("bad-request", "a fragment in the request target");
  if (url.startsWith("/") || url === "*") return { path: url, host };
  const absolute = absoluteForm.exec(url);
  const named = absolute?.[1] ?? "";
  if (absolute === null || named === "" || !hostPattern.test(named)) {
    throw new SluiceError("bad-request", "the request target is neither a path nor an http address");
  }
  // The target's own authority replaces what Host says (RFC 9112 §3.2.2).
  const rest = absolute[2] ?? "";
  return { path: rest.startsWith("/") ? rest : `/${rest}`, host: named };
}

/** Throws `bad-request` for what is no host with perhaps a port. */
export function checkHost(host: string): void {
  if (!hostPattern.test(host)) throw new SluiceError("bad-request", "malformed Host header");
}

/**
 * Throws for framing that only some servers understand alike: anything but a length, or `chunked` alone (RFC 9112 §6), and for
 * a request that does not say whom it is for.
 */
export function checkFraming(head: RequestHead, httpVersion: string): void {
  if (httpVersion === "0.9") throw new SluiceError("bad-request", "HTTP/0.9");
  if (httpVersion === "1.1" && head.host === undefined) {
    throw new SluiceError("bad-request", "no Host header (RFC 9112 §3.2)");
  }
  const coding = head.transferEncoding;
  if (coding === undefined) return;
  if (coding.toLowerCase() !== "chunked") {
    throw new SluiceError("transfer-encoding-unsupported", `Transfer-Encoding: ${coding}`);
  }
  if (head.contentLength !== undefined || httpVersion === "1.0") {
    throw new SluiceError("bad-request", "a body with two framings");
  }
}
