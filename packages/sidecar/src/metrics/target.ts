import type { SidecarSettings } from "../settings.ts";
import type { Attributes } from "./instrument.ts";

/** What tells which process this is. */
type TargetSettings = Pick<
  SidecarSettings,
  "service" | "configuration" | "revision" | "namespace" | "pod" | "podName" | "otelServiceName"
>;

/** What this process is, as Knative's queue-proxy says it: series carry none of it, `target_info` and collectors get it. */
export function toTarget(settings: TargetSettings): Attributes {
  const { service, configuration, revision, namespace, pod, podName, otelServiceName } = settings;
  const name = podName || pod;
  return [
    ["container.name", "queue-proxy"],
    ["k8s.namespace.name", namespace],
    ["k8s.pod.name", name],
    ...toGiven("kn.configuration.name", configuration),
    ...toGiven("kn.revision.name", revision),
    ...toGiven("kn.service.name", service),
    ["service.instance.id", name],
    ["service.name", otelServiceName || service || configuration || revision || name],
  ];
}

function toGiven(name: string, value: string): Attributes {
  return value === "" ? [] : [[name, value]];
}
