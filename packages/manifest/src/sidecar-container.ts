import { isJsonObject, type JsonObject } from "./field-reader.ts";
import { sidecarContainerName, sidecarPorts } from "./names.ts";
import { toSidecarEnvironment, type SidecarIdentity } from "./sidecar-environment.ts";
import { toSidecarResources } from "./sidecar-resources.ts";
import type { RevisionTemplate } from "./workload.ts";

export interface SidecarOptions {
  readonly image: string;
  /** More variables of the sidecar, such as who may set internal headers. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Used where nobody names an image; the installation's own images have the same tag. */
export const defaultSidecarImage = "sluice/sluice:0.1.0";

/** The image holds every service, so the container says which one it is; a small young generation halves its memory. */
const args = ["--max-semi-space-size=4", "/app/sidecar.mjs"] as const;

/** What a container that listens and forwards needs of the kernel: nothing. */
export const restrictedSecurityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
} as const;

/** The user of the image. */
const imageUser = { runAsUser: 65_532, runAsGroup: 65_532 } as const;

/** Where preStop hooks of the pod's containers ask; the answer comes when the pod is drained (reference §1.9). */
export const waitForDrain: JsonObject = {
  httpGet: { path: "/wait-for-drain", port: sidecarPorts.admin },
};

function toReadinessProbe(template: RevisionTemplate, port: number): JsonObject {
  return {
    httpGet: { port, httpHeaders: [{ name: "K-Network-Probe", value: "queue" }] },
    ...template.serving.readinessProbe?.timing,
  };
}

/** Where the pod as a whole runs as root, the sidecar says for itself that it does not. */
function toSecurityContext(template: RevisionTemplate): JsonObject {
  const { securityContext } = template.podSpec;
  const isRoot = isJsonObject(securityContext) && securityContext["runAsUser"] === 0;
  return isRoot ? { ...restrictedSecurityContext, ...imageUser } : restrictedSecurityContext;
}

function fromField(name: string, fieldPath: string): JsonObject {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

/** The sidecar as a container of the pod, like Knative's queue-proxy: same name, variables, ports and probe. */
export function toSidecarContainer(
  template: RevisionTemplate,
  identity: SidecarIdentity,
  options: SidecarOptions,
): JsonObject {
  const main = template.protocol === "h2c" ? sidecarPorts.h2c : sidecarPorts.main;
  const variables = Object.entries({ ...toSidecarEnvironment(template, identity), ...options.environment });
  return {
    name: sidecarContainerName,
    image: options.image,
    args: [...args],
    env: [
      // A manifest need not say its namespace; the pod knows it.
      ...variables.flatMap(([name, value]) => (name === "SERVING_NAMESPACE" ? [] : [{ name, value }])),
      fromField("SERVING_NAMESPACE", "metadata.namespace"),
      fromField("SERVING_POD", "metadata.name"),
      fromField("SERVING_POD_IP", "status.podIP"),
    ],
    ports: [
      { name: "queue-port", containerPort: main },
      { name: "queue-admin", containerPort: sidecarPorts.admin },
      { name: "http-autometric", containerPort: sidecarPorts.stats },
      { name: "http-usermetric", containerPort: sidecarPorts.metrics },
    ],
    readinessProbe: toReadinessProbe(template, main),
    resources: toSidecarResources(template.annotations),
    securityContext: toSecurityContext(template),
  };
}
