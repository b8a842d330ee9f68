import { isIP } from "node:net";

export interface GuardedRequest {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}

/** True for 127.0.0.0/8 and ::1, also as IPv4 in IPv6. */
export function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address) || address === "::1";
}

/**
 * Why a request to an endpoint on loopback is refused, or undefined. A web page can make its visitor's browser send
 * requests to loopback: by DNS rebinding, which shows as a foreign `Host`, or across origins, which shows as an
 * `Origin` (browsers send it with everything that could change state or be read). Our own clients send neither.
 */
export function findLoopbackFault(
  request: GuardedRequest,
  address: string,
  port: number,
): string | undefined {
  if (request.origin !== undefined) return "requests from web pages are refused (the request has an Origin)";
  const host = request.host?.toLowerCase() ?? "";
  const name = isIP(address) === 6 ? `[${address}]` : address;
  const own = [`${name}:${port}`, `localhost:${port}`];
  if (port === 80) own.push(name, "localhost");
  return own.includes(host) ? undefined : `the Host must be ${own.slice(0, 2).join(" or ")}`;
}
