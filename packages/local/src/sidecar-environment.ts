import { formatDuration } from "@sluice/core";
import { toSidecarEnvironment as toKnativeEnvironment, type RevisionTemplate } from "@sluice/manifest";
import type { PodAddress } from "./address-book.ts";

export interface PodIdentity {
  readonly namespace: string;
  readonly service: string;
  readonly revision: string;
  readonly name: string;
}

/** Nobody else sends to a local pod once the activators acknowledged its end, so it need not wait for stragglers. */
const quietPeriodMs = 0;
/** The app is on this machine and a person is waiting: asking it costs a fraction of a millisecond. */
const probeIntervalMs = 5;

/** Knative's queue-proxy variables for one pod, and ours for where it listens. */
export function toSidecarEnvironment(
  identity: PodIdentity,
  template: RevisionTemplate,
  place: PodAddress,
  appPort: number,
): Record<string, string> {
  return {
    ...toKnativeEnvironment(template, { ...identity, pod: identity.name, podIp: place.address, appPort }),
    QUEUE_SERVING_PORT: String(place.ports.main),
    SLUICE_BIND_ADDRESS: place.address,
    SLUICE_STATS_PORT: String(place.ports.stats),
    SLUICE_METRICS_PORT: String(place.ports.metrics),
    SLUICE_ADMIN_PORT: String(place.ports.admin),
    SLUICE_QUIET_PERIOD: formatDuration(quietPeriodMs),
    SLUICE_PROBE_INTERVAL: formatDuration(probeIntervalMs),
  };
}
