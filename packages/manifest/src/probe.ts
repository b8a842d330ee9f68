import { FieldReader, isJsonObject, type JsonObject } from "./field-reader.ts";
import { Findings } from "./problem.ts";

/** How readiness is found out; Kubernetes' probe with its handler pulled apart. */
export type ProbeHandler =
  | { readonly kind: "http"; readonly port?: number | string; readonly fields: JsonObject }
  | { readonly kind: "tcp"; readonly port?: number | string; readonly fields: JsonObject }
  | { readonly kind: "grpc"; readonly port?: number | string; readonly fields: JsonObject }
  | { readonly kind: "exec"; readonly fields: JsonObject };

export interface Probe {
  readonly handler: ProbeHandler;
  /** `periodSeconds` and the other numbers, defaults filled in. */
  readonly timing: Readonly<Record<string, number>>;
}

const handlerFields = [
  ["http", "httpGet", ["port", "path", "scheme", "host", "httpHeaders"]],
  ["tcp", "tcpSocket", ["port", "host"]],
  ["grpc", "grpc", ["port", "service"]],
  ["exec", "exec", ["command"]],
] as const;
const timingFields = [
  "initialDelaySeconds",
  "timeoutSeconds",
  "periodSeconds",
  "successThreshold",
  "failureThreshold",
] as const;
const maxSeconds = 2_147_483_647;

function parseHandler(reader: FieldReader): ProbeHandler | undefined {
  const found: ProbeHandler[] = [];
  for (const [kind, field, known] of handlerFields) {
    const inner = reader.object(field);
    if (inner === undefined) continue;
    const port = kind === "exec" ? undefined : inner.integerOrName("port");
    if (kind === "exec") inner.strings("command");
    const fields = Object.fromEntries(
      known.map((name) => [name, inner.raw(name)] as const).filter(([, value]) => value !== undefined),
    );
    inner.warnUnread("is not a field of this probe and is ignored");
    found.push(port === undefined ? { kind, fields } : { kind, port, fields });
  }
  if (found.length > 1) {
    reader.refuse(
      "",
      "must have one handler, not several",
      handlerFields.map(([, field]) => field),
    );
  }
  return found[0];
}

function parseTiming(reader: FieldReader): Record<string, number> {
  const timing: Record<string, number> = {};
  for (const name of timingFields) {
    const value = reader.integer(name, 0, maxSeconds);
    if (value !== undefined) timing[name] = value;
  }
  return timing;
}

/** Any probe as it is written, without defaults; `undefined` when there is none. */
export function parseProbe(parent: FieldReader, name: string): Probe | undefined {
  const reader = parent.object(name);
  if (reader === undefined) return undefined;
  const handler = parseHandler(reader) ?? { kind: "tcp", fields: {} };
  const timing = parseTiming(reader);
  reader.skip("terminationGracePeriodSeconds");
  reader.warnUnread("is not a field of a probe and is ignored");
  return { handler, timing };
}

/** A probe from its JSON, as the sidecar is given it; undefined when it is none. */
export function parseProbeJson(text: unknown): Probe | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(text);
    const findings = new Findings("probe");
    const probe = parseProbe(new FieldReader({ value }, "", findings), "value");
    return isJsonObject(value) && findings.problems.length === 0 ? probe : undefined;
  } catch {
    // Somebody wrote the variable by hand; the sidecar itself says what is wrong with it.
    return undefined;
  }
}

/**
 * The readiness probe of the container that takes requests, with Knative's defaults: a TCP connection when there is
 * none; a period of 0 means "as fast as the sidecar likes" and forbids thresholds (reference: `revision_defaults.go`).
 */
export function parseReadinessProbe(parent: FieldReader): Probe {
  const probe = parseProbe(parent, "readinessProbe") ?? { handler: { kind: "tcp", fields: {} }, timing: {} };
  const timing = { ...probe.timing };
  timing["successThreshold"] ||= 1;
  if ((timing["periodSeconds"] ?? 0) !== 0) {
    timing["failureThreshold"] ||= 3;
    timing["timeoutSeconds"] ||= 1;
  } else {
    for (const name of ["failureThreshold", "timeoutSeconds"]) {
      if ((timing[name] ?? 0) === 0) continue;
      parent.refuse(`readinessProbe.${name}`, "must not be set while periodSeconds is 0", timing[name]);
    }
  }
  return { handler: probe.handler, timing };
}

const handlerKeys = { http: "httpGet", tcp: "tcpSocket", grpc: "grpc", exec: "exec" } as const;

/**
 * The probe that the sidecar runs, as Knative's `SERVING_READINESS_PROBE`: always this pod's own address, a port
 * that is a number, and a TCP connection in place of a command, which the sidecar cannot run in another container.
 */
export function toSidecarProbe(
  probe: Probe,
  ports: ReadonlyMap<string, number>,
  appPort: number,
): JsonObject {
  const { handler, timing } = probe;
  const kind = handler.kind === "exec" ? "tcp" : handler.kind;
  const named = "port" in handler ? handler.port : undefined;
  const port = typeof named === "string" ? (ports.get(named) ?? appPort) : (named ?? appPort);
  const fields = handler.kind === "exec" ? {} : handler.fields;
  const target =
    kind === "grpc"
      ? { ...fields, port }
      : { ...fields, port: port === 0 ? appPort : port, host: "127.0.0.1" };
  const scheme = kind === "http" && fields["scheme"] === undefined ? { scheme: "HTTP" } : {};
  return { [handlerKeys[kind]]: { ...target, ...scheme }, ...timing };
}
