import { parseContainer, type Container, type ContainerRules } from "./container.ts";
import { isJsonObject, type FieldReader, type JsonObject } from "./field-reader.ts";
import { defaultAppPort, sidecarContainerName } from "./names.ts";
import { parseProbeJson } from "./probe.ts";

/** The containers of a pod specification, and the one of them that takes requests. */
export interface ParsedPod {
  readonly containers: readonly Container[];
  readonly serving?: Container;
  readonly podSpec: JsonObject;
}

/** Pod fields that Knative takes, by itself or behind one of its feature flags, and that only Kubernetes can honour. */
const kubernetesPodFields = [
  "serviceAccountName",
  "imagePullSecrets",
  "enableServiceLinks",
  "automountServiceAccountToken",
  "volumes",
  "affinity",
  "dnsConfig",
  "dnsPolicy",
  "hostAliases",
  "initContainers",
  "nodeSelector",
  "priorityClassName",
  "runtimeClassName",
  "schedulerName",
  "securityContext",
  "shareProcessNamespace",
  "tolerations",
  "topologySpreadConstraints",
  "hostIPC",
  "hostNetwork",
  "hostPID",
] as const;

/** Those of a plain Deployment besides; they say how pods live, and are passed through. */
const deploymentPodFields = [
  "terminationGracePeriodSeconds",
  "restartPolicy",
  "activeDeadlineSeconds",
  "serviceAccount",
  "nodeName",
  "hostname",
  "subdomain",
  "readinessGates",
  "preemptionPolicy",
  "priority",
  "overhead",
  "setHostnameAsFQDN",
  "os",
  "hostUsers",
  "schedulingGates",
  "resourceClaims",
  "resources",
] as const;

function warnPodFields(spec: FieldReader, rules: ContainerRules): void {
  if (rules.platform === "local") {
    for (const name of kubernetesPodFields) {
      if (spec.has(name)) spec.warn(name, "has no meaning on one machine and is ignored");
    }
  }
  spec.skip(...kubernetesPodFields);
  if (!rules.isKnative) spec.skip(...deploymentPodFields);
  spec.warnUnread("is not supported and is left out");
}

export function hasSidecar(podSpec: JsonObject): boolean {
  const { containers } = podSpec;
  return (
    Array.isArray(containers) &&
    containers.some((entry) => isJsonObject(entry) && entry["name"] === sidecarContainerName)
  );
}

/** After an injection the app's probe is found where the sidecar reads it. */
function withMovedProbe(
  serving: Container | undefined,
  entries: readonly JsonObject[],
): Container | undefined {
  const sidecar = entries.find((entry) => entry["name"] === sidecarContainerName);
  if (serving === undefined || serving.readinessProbe !== undefined || sidecar === undefined) return serving;
  const env = Array.isArray(sidecar["env"]) ? sidecar["env"].filter(isJsonObject) : [];
  const moved = env.find((entry) => entry["name"] === "SERVING_READINESS_PROBE")?.["value"];
  const readinessProbe = parseProbeJson(moved);
  return readinessProbe === undefined ? serving : { ...serving, readinessProbe };
}

/** Of several containers the first with a port takes requests; that others may not have one is checked elsewhere. */
export function findFirstPort(entries: readonly JsonObject[]): number {
  const withPorts = entries.findIndex((entry) => Array.isArray(entry["ports"]) && entry["ports"].length > 0);
  return withPorts === -1 ? 0 : withPorts;
}

/**
 * Reads `spec.template.spec`; `spec` must already have given up the fields that are not the pod's. `choose` says which of the
 * containers, the sidecar apart, takes requests.
 */
export function parsePod(
  spec: FieldReader,
  podSpec: JsonObject,
  rules: ContainerRules,
  choose: (entries: readonly JsonObject[]) => number = findFirstPort,
): ParsedPod {
  if (spec.raw("hostNetwork") === true) {
    spec.refuse("hostNetwork", "must not be set: the sidecar's ports would be taken on the node", true);
  }
  const listed = podSpec["containers"];
  const entries = Array.isArray(listed) ? listed.filter(isJsonObject) : [];
  const pairs = spec
    .objects("containers")
    .map((reader, index) => ({ reader, object: entries[index] ?? {} }))
    .filter(({ object }) => rules.isKnative || object["name"] !== sidecarContainerName);
  const servingIndex = choose(pairs.map(({ object }) => object));
  const parsed = pairs.map(({ reader, object }, index) =>
    parseContainer(reader, rules, index === servingIndex, object),
  );
  if (parsed.length === 0) spec.refuse("containers", "must name at least one container");
  warnPodFields(spec, rules);
  const serving = withMovedProbe(parsed[servingIndex], entries);
  const left = rules.isKnative
    ? Object.fromEntries(Object.entries(podSpec).filter(([name]) => !spec.unread().includes(name)))
    : podSpec;
  const containers = parsed.map((container, index) =>
    index === servingIndex ? (serving ?? container) : container,
  );
  return serving === undefined ? { containers, podSpec: left } : { containers, serving, podSpec: left };
}

/** Where the app listens and what it speaks, from its one port (reference §4.1). */
export function toAppPort(serving: Container): {
  appPort: number;
  isExplicit: boolean;
  protocol: "http1" | "h2c";
} {
  const [port] = serving.ports;
  const number = port?.containerPort ?? 0;
  return {
    appPort: number === 0 ? defaultAppPort : number,
    isExplicit: number !== 0,
    protocol: port?.name === "h2c" ? "h2c" : "http1",
  };
}
