import type { FakeObject } from "../../test/support/fake-kubernetes.ts";

/** A volume, variables and probes as a usual app has them, with what an API server fills in. */
const usualContainer = {
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "File",
  imagePullPolicy: "IfNotPresent",
  resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "256Mi" } },
  livenessProbe: {
    httpGet: { path: "/healthz", port: 3000, scheme: "HTTP" },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  },
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
} as const;

const usualPod = {
  restartPolicy: "Always",
  dnsPolicy: "ClusterFirst",
  schedulerName: "default-scheduler",
  serviceAccountName: "default",
  serviceAccount: "default",
  terminationGracePeriodSeconds: 300,
  securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
  tolerations: ["not-ready", "unreachable"].map((name) => ({
    key: `node.kubernetes.io/${name}`,
    operator: "Exists",
    effect: "NoExecute",
    tolerationSeconds: 300,
  })),
  volumes: [
    {
      name: "kube-api-access",
      projected: {
        sources: [
          { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
          { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        ],
        defaultMode: 420,
      },
    },
  ],
} as const;

type Json = Record<string, unknown>;

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `f:spec: {f:replicas: {}}`: every field that an apply wrote, as the server keeps it for each writer. */
function toFieldSet(value: unknown): Json {
  if (Array.isArray(value)) {
    return Object.fromEntries(
      value.map((entry: unknown, index) => [
        `k:{"name":"${String(index)}"}`,
        { ".": {}, ...toFieldSet(entry) },
      ]),
    );
  }
  if (!isJson(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [`f:${key}`, toFieldSet(inner)]));
}

function withVariables(container: Json): Json {
  const variables = Array.from({ length: 12 }, (_value, index) => ({
    name: `SETTING_${index}`,
    value: `a value of the usual length, number ${index}`,
  }));
  const given = Array.isArray(container["env"]) ? (container["env"] as unknown[]) : [];
  return { ...usualContainer, ...container, env: [...variables, ...given] };
}

function withUsualPod(spec: Json): Json {
  const containers = Array.isArray(spec["containers"]) ? spec["containers"].filter(isJson) : [];
  return { ...usualPod, ...spec, containers: containers.map(withVariables) };
}

/**
 * The object in the size that a real API server sends: defaults filled in, variables, conditions, `managedFields` of two
 * writers and kubectl's last applied configuration; some 9 KiB.
 */
export function toServerObject(object: FakeObject): FakeObject {
  const { spec = {}, metadata } = object;
  const template = isJson(spec["template"]) ? spec["template"] : undefined;
  const filled: Json =
    template === undefined
      ? withUsualPod(spec)
      : {
          ...spec,
          template: { ...template, spec: withUsualPod(isJson(template["spec"]) ? template["spec"] : {}) },
        };
  const fieldsV1 = toFieldSet({ metadata: { labels: metadata["labels"] }, spec: filled });
  const managedFields = ["kubectl-client-side-apply", "kube-controller-manager"].map((manager) => ({
    manager,
    operation: "Update",
    apiVersion: "apps/v1",
    time: "2026-11-23T10:00:00Z",
    fieldsType: "FieldsV1",
    fieldsV1,
  }));
  const annotations: Json = isJson(metadata["annotations"]) ? metadata["annotations"] : {};
  const applied =
    template === undefined
      ? {}
      : { "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify(object) };
  return {
    ...object,
    spec: filled,
    metadata: { ...metadata, annotations: { ...annotations, ...applied }, managedFields },
  };
}
