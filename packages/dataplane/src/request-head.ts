/** Whether the sender may speak Knative's internal headers. What a stranger says with them is removed unread. */
export type HeaderTrust = "trusted" | "untrusted";

/** Whether the sender's word on whom it forwards for counts: otherwise `Forwarded` and `X-Forwarded-*` are removed unread. */
export type ForwardedTrust = "kept" | "replaced";

/**
 * The head of a request, read once: what the services ask about, and the headers that go on. Values of a header that
 * came more than once are joined with commas (RFC 9110 §5.3), unless it has one value by its nature.
 */
export class RequestHead {
  /**
   * Names and values in turn, as they came, of everything that is sent on as it is: without hop-by-hop headers, `Host`,
   * `X-Forwarded-For`, `Forwarded`, `K-Original-Host` and the revision headers.
   */
  endToEnd: string[] = [];
  host: string | undefined;
  userAgent: string | undefined;
  connection: string | undefined;
  upgrade: string | undefined;
  te: string | undefined;
  expect: string | undefined;
  trailer: string | undefined;
  contentLength: string | undefined;
  transferEncoding: string | undefined;
  forwarded: string | undefined;
  forwardedFor: string | undefined;
  forwardedHost: string | undefined;
  forwardedProto: string | undefined;
  traceparent: string | undefined;
  b3TraceId: string | undefined;
  referer: string | undefined;
  originalHost: string | undefined;
  proxyRequest: string | undefined;
  networkProbe: string | undefined;
  networkHash: string | undefined;
  kubeletProbe: string | undefined;
  servingRevision: string | undefined;
  servingNamespace: string | undefined;
  servingTag: string | undefined;
  servingDefaultRoute: string | undefined;
  passthroughLoadBalancing: string | undefined;

  /** Whether a body follows the head. */
  get hasBody(): boolean {
    return this.transferEncoding !== undefined || (this.contentLength ?? "0") !== "0";
  }
}

type Field = Exclude<keyof RequestHead, "endToEnd" | "hasBody">;

interface HeaderRule {
  readonly field?: Field;
  readonly isForwarded: boolean;
  /** Set by our own machinery or Knative's; a stranger's is removed. */
  readonly isInternal?: boolean;
  /** Tells for whom the sender forwards; removed where its word does not count. */
  readonly tellsOrigin?: boolean;
  /** Has one value: of several lines the first counts, as in Go. */
  readonly isSingle?: boolean;
}

const consumed = { isForwarded: false } as const;
const internal = { isInternal: true, isSingle: true } as const;

/** Every header that is not simply sent on. RFC 9110 §7.6.1 lists the hop-by-hop ones; the rest is Knative's (reference §1.4). */
const rules = new Map<string, HeaderRule>([
  ["host", { ...consumed, field: "host" }],
  ["connection", { ...consumed, field: "connection" }],
  ["keep-alive", consumed],
  ["proxy-connection", consumed],
  ["proxy-authenticate", consumed],
  ["proxy-authorization", consumed],
  ["te", { ...consumed, field: "te" }],
  ["trailer", { ...consumed, field: "trailer" }],
  ["transfer-encoding", { ...consumed, field: "transferEncoding" }],
  ["upgrade", { ...consumed, field: "upgrade" }],
  // HTTP/1.1 to HTTP/2 upgrades end here: RFC 9113 §3.1 has withdrawn them.
  ["http2-settings", consumed],
  ["expect", { ...consumed, field: "expect" }],
  ["content-length", { isForwarded: true, field: "contentLength" }],
  ["user-agent", { isForwarded: true, field: "userAgent" }],
  ["referer", { isForwarded: true, field: "referer" }],
  ["traceparent", { isForwarded: true, field: "traceparent" }],
  ["x-b3-traceid", { isForwarded: true, field: "b3TraceId" }],
  ["forwarded", { ...consumed, field: "forwarded", tellsOrigin: true }],
  ["x-forwarded-for", { ...consumed, field: "forwardedFor", tellsOrigin: true }],
  ["x-forwarded-host", { isForwarded: true, field: "forwardedHost", tellsOrigin: true, isSingle: true }],
  ["x-forwarded-proto", { isForwarded: true, field: "forwardedProto", tellsOrigin: true, isSingle: true }],
  ["k-original-host", { ...consumed, field: "originalHost", ...internal }],
  ["knative-serving-revision", { ...consumed, field: "servingRevision", ...internal }],
  ["knative-serving-namespace", { ...consumed, field: "servingNamespace", ...internal }],
  ["knative-serving-tag", { isForwarded: true, field: "servingTag", ...internal }],
  ["knative-serving-default-route", { isForwarded: true, field: "servingDefaultRoute", ...internal }],
  ["k-proxy-request", { isForwarded: true, field: "proxyRequest", ...internal }],
  ["k-network-probe", { isForwarded: true, field: "networkProbe", ...internal }],
  ["k-network-hash", { isForwarded: true, field: "networkHash", ...internal }],
  ["k-kubelet-probe", { isForwarded: true, field: "kubeletProbe", ...internal }],
  ["k-passthrough-lb", { isForwarded: true, field: "passthroughLoadBalancing", ...internal }],
]);

const internalPrefixes = ["sluice-", "knative-serving-"] as const;

/** Reads Node's `rawHeaders`; pseudo-headers of HTTP/2 are left out. */
export function readRequestHead(
  rawHeaders: readonly string[],
  trust: HeaderTrust,
  forwarded: ForwardedTrust = "kept",
): RequestHead {
  const head = new RequestHead();
  const { endToEnd } = head;
  let cookieAt = -1;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    const value = rawHeaders[index + 1] ?? "";
    const lower = name.toLowerCase();
    const rule = rules.get(lower);
    if (rule === undefined) {
      if (lower.startsWith(":") || isForged(lower, trust, forwarded)) continue;
      if (lower === "cookie") {
        // HTTP/2 clients send cookies one by one; towards HTTP/1.1 they are one header again (RFC 9113 §8.2.3).
        if (cookieAt > 0) {
          endToEnd[cookieAt] = `${endToEnd[cookieAt] ?? ""}; ${value}`;
          continue;
        }
        cookieAt = endToEnd.length + 1;
      }
      endToEnd.push(name, value);
      continue;
    }
    if (rule.isInternal === true && trust === "untrusted") continue;
    if (rule.tellsOrigin === true && forwarded === "replaced") continue;
    if (rule.field !== undefined) {
      const before = head[rule.field];
      if (before === undefined) head[rule.field] = value;
      else if (rule.isSingle !== true) head[rule.field] = `${before}, ${value}`;
    }
    if (rule.isForwarded) endToEnd.push(name, value);
  }
  if (head.connection !== undefined) dropNamedByConnection(head);
  return head;
}

/**
 * A name that only some may use, also when it is spelt with underscores: apps that get headers as CGI variables (WSGI, Rack, PHP) cannot
 * tell `X_Forwarded_For` from the real one.
 */
function isForged(lower: string, trust: HeaderTrust, forwarded: ForwardedTrust): boolean {
  if (trust === "trusted" && forwarded === "kept") return false;
  const name = lower.includes("_") ? lower.replaceAll("_", "-") : lower;
  const rule = name === lower ? undefined : rules.get(name);
  if (trust === "untrusted" && (rule?.isInternal === true || isInternalName(name))) return true;
  return forwarded === "replaced" && (rule?.tellsOrigin === true || name.startsWith("x-forwarded-"));
}

function isInternalName(lower: string): boolean {
  return internalPrefixes.some((prefix) => lower.startsWith(prefix));
}

/**
 * The trailers of a request that are sent on: without fields that frame, route or belong to one connection, for which the end of a
 * message is too late (RFC 9110 §6.5.1), and without internal ones, which nobody says there.
 */
export function toRequestTrailers(rawTrailers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < rawTrailers.length; index += 2) {
    const name = rawTrailers[index] ?? "";
    const lower = name.toLowerCase();
    if (rules.has(lower) || lower.startsWith(":") || isForged(lower, "untrusted", "replaced")) continue;
    kept.push(name, rawTrailers[index + 1] ?? "");
  }
  return kept;
}

const ordinaryOptions = new Set(["keep-alive", "close", "upgrade", "te", ""]);

/** RFC 9110 §7.6.1: a header that `Connection` names was meant for us alone. */
function dropNamedByConnection(head: RequestHead): void {
  const connection = head.connection ?? "";
  if (connection === "keep-alive" || connection === "Upgrade" || connection === "close") return;
  const named = connection.split(",").map((option) => option.trim().toLowerCase());
  const dropped = new Set(named.filter((option) => !ordinaryOptions.has(option)));
  if (dropped.size === 0) return;
  const kept: string[] = [];
  for (let index = 0; index < head.endToEnd.length; index += 2) {
    const name = head.endToEnd[index] ?? "";
    if (!dropped.has(name.toLowerCase()) || framingNames.has(name.toLowerCase())) {
      kept.push(name, head.endToEnd[index + 1] ?? "");
    }
  }
  head.endToEnd = kept;
}

/** Naming these as hop-by-hop would take the body's length away between two proxies; they stay. */
const framingNames = new Set(["content-length"]);
