/** One probe of one container, as the sidecar runs it. */
export type AppProbe =
  | {
      readonly kind: "http";
      readonly scheme: "http" | "https";
      readonly host: string;
      readonly port: number;
      readonly path: string;
      /** Names and values in turn. */
      readonly headers: readonly string[];
      readonly timing: ProbeTiming;
    }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly timing: ProbeTiming }
  | { readonly kind: "grpc"; readonly port: number; readonly service: string; readonly timing: ProbeTiming }
  /** Nothing that the sidecar can ask: the answer is always no, and this is why. */
  | { readonly kind: "impossible"; readonly why: string; readonly timing: ProbeTiming };

export interface ProbeTiming {
  /** 0: ask again and again until it is ready or the time is over. Otherwise the kubelet's rhythm counts, one attempt a call. */
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly successThreshold: number;
}

/**
 * Reads SERVING_READINESS_PROBE: one Kubernetes probe as JSON, or a list. Empty is no probe at all: always ready. Throws an Error
 * that says what is wrong.
 */
export function parseAppProbes(text: string, userPort: number): readonly AppProbe[] {
  if (text.trim() === "") return [];
  const value: unknown = parseJson(text);
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((probe) => toAppProbe(toRecord(probe, "a probe"), userPort));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TypeError("must be a Kubernetes probe as JSON");
  }
}

type JsonRecord = Readonly<Record<string, unknown>>;

function toAppProbe(probe: JsonRecord, userPort: number): AppProbe {
  const timing = toTiming(probe);
  if (isGiven(probe["httpGet"])) return toHttpProbe(toRecord(probe["httpGet"], "httpGet"), userPort, timing);
  if (isGiven(probe["tcpSocket"])) {
    const tcp = toRecord(probe["tcpSocket"], "tcpSocket");
    return {
      kind: "tcp",
      host: toText(tcp["host"], "127.0.0.1"),
      port: toPort(tcp["port"], userPort),
      timing,
    };
  }
  if (isGiven(probe["grpc"])) {
    const grpc = toRecord(probe["grpc"], "grpc");
    return {
      kind: "grpc",
      port: toPort(grpc["port"], userPort),
      service: toText(grpc["service"], ""),
      timing,
    };
  }
  const why = isGiven(probe["exec"]) ? "exec probe not supported" : "no probe found";
  return { kind: "impossible", why, timing };
}

/** Kubernetes' clients may write a field that is not set as null. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function toHttpProbe(http: JsonRecord, userPort: number, timing: ProbeTiming): AppProbe {
  const path = toText(http["path"], "/");
  return {
    kind: "http",
    scheme: toText(http["scheme"], "HTTP").toUpperCase() === "HTTPS" ? "https" : "http",
    host: toText(http["host"], "127.0.0.1"),
    port: toPort(http["port"], userPort),
    path: path.startsWith("/") ? path : `/${path}`,
    headers: toHeaders(http["httpHeaders"]),
    timing,
  };
}

function toTiming(probe: JsonRecord): ProbeTiming {
  return {
    periodSeconds: toNumber(probe["periodSeconds"], 0),
    timeoutSeconds: Math.max(1, toNumber(probe["timeoutSeconds"], 1)),
    successThreshold: Math.max(1, toNumber(probe["successThreshold"], 1)),
  };
}

function toHeaders(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((each: unknown) => {
    const header = toRecord(each, "an entry of httpHeaders");
    return [toText(header["name"], ""), toText(header["value"], "")];
  });
}

function toRecord(value: unknown, what: string): JsonRecord {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${what} must be an object`);
  }
  return value as JsonRecord;
}

function toText(value: unknown, fallback: string): string {
  return typeof value === "string" && value !== "" ? value : fallback;
}

function toNumber(value: unknown, fallback: number): number {
  return typeof value === "number" ? value : fallback;
}

/** Kubernetes writes a port as a number or as text; 0 stands for the app's own. */
function toPort(value: unknown, userPort: number): number {
  const port = Number(value ?? 0);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new RangeError("a probe's port must be a port");
  return port === 0 ? userPort : port;
}
