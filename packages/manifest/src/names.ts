/** Labels and annotations of ours that people write, and that the other parts read. */
export const names = {
  /** Annotation of a Deployment: `"true"` makes it a revision that is scaled. */
  enabled: "sluice.dev/enabled",
  /** Label of a pod template: `"true"` asks for the sidecar; its pods are the ones that are watched. */
  inject: "sluice.dev/inject",
  /** Annotation: the container port that takes requests, where a container has more than one. */
  port: "sluice.dev/port",
  /** Annotation: requests that one pod runs at once. */
  containerConcurrency: "sluice.dev/container-concurrency",
  timeout: "sluice.dev/timeout-seconds",
  responseStartTimeout: "sluice.dev/response-start-timeout-seconds",
  idleTimeout: "sluice.dev/idle-timeout-seconds",
  /** Annotation: more hosts, separated by commas; on Kubernetes only those that the operator allows. */
  hosts: "sluice.dev/hosts",
  /** Annotation: what injection replaced, so that it can be put back. */
  original: "sluice.dev/original",
  /**
   * Label. On a selector-less Service: the service whose pods or activators stand behind it. On a Deployment: the
   * service of which it is one revision; without it the Deployment is a service of its own.
   */
  service: "sluice.dev/service",
  /** Annotation of a Service: its traffic split as JSON, where it has more than one revision or tags. */
  traffic: "sluice.dev/traffic",
  /** Annotation of a Service that leads to one tag of its service. */
  tag: "sluice.dev/tag",
  /** Annotation of a Deployment made from a Knative Service, and label of its pods: what its template hashed to. */
  contentHash: "sluice.dev/content-hash",
  /** Annotation of a Deployment in which the writing scaler says what it did, so that every replica and the next start know. */
  applied: "sluice.dev/applied",
  /** Annotation of a Deployment for people: what is wanted and why. */
  status: "sluice.dev/status",
} as const;

/** Annotations of these families are handed on to the data plane; all others stay where they are. */
const handedOn = [
  "autoscaling.knative.dev/",
  "features.knative.dev/",
  "queue.sidecar.serving.knative.dev/",
  "serving.knative.dev/progress-deadline",
  "serving.knative.dev/rollout-duration",
  "sluice.dev/",
] as const;
/** What tools of ours leave on objects means nothing to the data plane, and would make every write of it news. */
const notHandedOn: readonly string[] = [
  names.original,
  names.enabled,
  names.traffic,
  names.contentHash,
  names.applied,
  names.status,
];

/** The annotations that activators and aggregators read. */
export function toDataPlaneAnnotations(
  annotations: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).filter(
      ([key]) => handedOn.some((family) => key.startsWith(family)) && !notHandedOn.includes(key),
    ),
  );
}

/** Those of a service: ours alone, Knative's are about revisions. */
export function toServiceAnnotations(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const handed = Object.entries(toDataPlaneAnnotations(annotations));
  return Object.fromEntries(handed.filter(([key]) => key.startsWith("sluice.dev/")));
}

/** The name that Knative gives the proxy's container; tools that look for it keep working. */
export const sidecarContainerName = "queue-proxy";

/** Ports of the sidecar, which no container of a pod may take (Knative `pkg/networking/constants.go`). */
export const sidecarPorts = {
  main: 8012,
  h2c: 8013,
  admin: 8022,
  stats: 9090,
  metrics: 9091,
} as const;

/** 8008 is Knative's profiling port; kept reserved so that a manifest moves both ways. */
export const reservedPorts: readonly number[] = [...Object.values(sidecarPorts), 8008];

/** The app's port when its manifest names none. */
export const defaultAppPort = 8080;
