import type { FieldReader, JsonObject } from "./field-reader.ts";

const prefix = "queue.sidecar.serving.knative.dev/";

/** Knative's annotations for the resources of its sidecar (reference §4.1). */
export const sidecarResources = (["cpu", "memory", "ephemeral-storage"] as const).flatMap((resource) =>
  (["request", "limit"] as const).map((kind) => ({
    annotation: `${prefix}${resource}-resource-${kind}`,
    resource,
    kind: `${kind}s` as const,
  })),
);

/**
 * Measured (docs/performance.md): 61 MiB when idle, 83 MiB of its own with 50 connections and a limit; the rest is room for
 * bodies.
 */
const usual: Readonly<Record<"requests" | "limits", JsonObject>> = {
  requests: { cpu: "25m", memory: "96Mi" },
  limits: { memory: "256Mi" },
};

/** A number with a suffix of the decimal, binary or thousandth kind (Kubernetes: `resource.Quantity`). */
const quantity = /^(?:\d+|\d*\.\d+)(?:m|[kMGTPE]|[KMGTPE]i|[eE]\d+)?$/;

/** Refuses what is no quantity. */
export function checkSidecarResources(
  metadata: FieldReader,
  annotations: Readonly<Record<string, string>>,
): void {
  for (const { annotation } of sidecarResources) {
    const value = annotations[annotation];
    if (value === undefined || quantity.test(value)) continue;
    metadata.refuse(`annotations[${annotation}]`, "must be a quantity such as 100m or 128Mi", value);
  }
}

/** The sidecar's resources: what was measured, and where the template says something, that. */
export function toSidecarResources(annotations: Readonly<Record<string, string>>): JsonObject {
  const resources = { requests: { ...usual.requests }, limits: { ...usual.limits } };
  for (const { annotation, resource, kind } of sidecarResources) {
    const value = annotations[annotation];
    if (value !== undefined) resources[kind] = { ...resources[kind], [resource]: value };
  }
  return resources;
}
