import { toForwarded } from "@sluice/dataplane";
import type { Exchange } from "./exchange.ts";

/** The headers that the app gets (reference §1.4): what goes on as it came, and what a proxy has to say. */
export function toUpstreamHeaders(exchange: Exchange): string[] {
  const { head } = exchange;
  const headers = head.endToEnd;
  headers.push("Host", exchange.host);
  // `Forwarded` says what was known before us, so it comes before our own hop is added.
  const forwarded =
    (head.forwarded ?? "") === ""
      ? toForwarded(head.forwardedFor, head.forwardedProto, head.forwardedHost)
      : head.forwarded;
  if (forwarded !== undefined) headers.push("Forwarded", forwarded);
  const peer = toPlainAddress(exchange.arrival.peerAddress);
  headers.push("X-Forwarded-For", head.forwardedFor === undefined ? peer : `${head.forwardedFor}, ${peer}`);
  // Of what TE offers only trailers concern the app: they are passed on (RFC 9110 §10.1.4).
  if (head.te !== undefined && /(?:^|,)\s*trailers\s*(?:,|$)/i.test(head.te)) headers.push("TE", "trailers");
  exchange.trace?.inject(headers);
  return headers;
}

/** A dual-stack listener reports IPv4 peers as `::ffff:10.0.0.1`. */
function toPlainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}
