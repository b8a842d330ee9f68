import { parseDurationMs } from "@sluice/core";
import { sidecarPorts } from "./names.ts";
import { toSidecarProbe } from "./probe.ts";
import type { RevisionTemplate } from "./workload.ts";

/** Who a sidecar reports as. On Kubernetes `pod` and `podIp` come from the downward API, so both are left out. */
export interface SidecarIdentity {
  readonly namespace: string;
  readonly service: string;
  readonly revision: string;
  readonly pod?: string;
  readonly podIp?: string;
  /** The port on which the app really listens, where it is another than the manifest's. */
  readonly appPort?: number;
}

/** The readiness probe that the sidecar runs for this template, as Knative's JSON. */
export function toServingReadinessProbe(template: RevisionTemplate, appPort = template.appPort): string {
  const { readinessProbe, ports } = template.serving;
  const byName = new Map(
    ports.map((port) => [
      port.name ?? "",
      port.containerPort === template.appPort ? appPort : port.containerPort,
    ]),
  );
  const probe = readinessProbe ?? {
    handler: { kind: "tcp" as const, fields: {} },
    timing: { successThreshold: 1 },
  };
  const moved = toSidecarProbe(probe, byName, appPort);
  if (appPort === template.appPort) return JSON.stringify(moved);
  // The app listens elsewhere than it says, so a probe that names its port by number follows it.
  return JSON.stringify(moved, (key, value: unknown) =>
    key === "port" && value === template.appPort ? appPort : value,
  );
}

/** Seconds of a Go duration annotation such as `progress-deadline`. */
export function toSeconds(text: string | undefined, fallback: number): number {
  const durationMs = text === undefined ? undefined : parseDurationMs(text);
  return durationMs === undefined ? fallback : Math.round(durationMs / 1000);
}

/** The variables that Knative's controller gives its queue-proxy (reference §1.1), for this template. */
export function toSidecarEnvironment(
  template: RevisionTemplate,
  identity: SidecarIdentity,
): Record<string, string> {
  const { timeouts, protocol } = template;
  const appPort = identity.appPort ?? template.appPort;
  const isFullDuplex =
    template.annotations["features.knative.dev/http-full-duplex"]?.toLowerCase() === "enabled";
  return {
    CONTAINER_CONCURRENCY: String(template.containerConcurrency),
    QUEUE_SERVING_PORT: String(protocol === "h2c" ? sidecarPorts.h2c : sidecarPorts.main),
    QUEUE_SERVING_TLS_PORT: "8112",
    USER_PORT: String(appPort),
    REVISION_TIMEOUT_SECONDS: String(timeouts.request),
    REVISION_RESPONSE_START_TIMEOUT_SECONDS: String(timeouts.responseStart),
    REVISION_IDLE_TIMEOUT_SECONDS: String(timeouts.idle),
    SERVING_READINESS_PROBE: toServingReadinessProbe(template, appPort),
    ENABLE_HTTP_FULL_DUPLEX: String(isFullDuplex),
    SERVING_LOGGING_CONFIG: "",
    SERVING_LOGGING_LEVEL: "",
    SERVING_NAMESPACE: identity.namespace,
    SERVING_SERVICE: identity.service,
    SERVING_CONFIGURATION: identity.service,
    SERVING_REVISION: identity.revision,
    ...(identity.pod === undefined ? {} : { SERVING_POD: identity.pod }),
    ...(identity.podIp === undefined ? {} : { SERVING_POD_IP: identity.podIp }),
  };
}

/** The variables that every app gets (reference §1.1). */
export function toAppEnvironment(identity: SidecarIdentity, appPort: number): Record<string, string> {
  return {
    PORT: String(appPort),
    K_SERVICE: identity.service,
    K_CONFIGURATION: identity.service,
    K_REVISION: identity.revision,
  };
}
