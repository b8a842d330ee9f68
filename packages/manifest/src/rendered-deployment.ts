import { applyEdits, readPath } from "./edit.ts";
import { isJsonObject, type JsonObject } from "./field-reader.ts";
import { names } from "./names.ts";
import { decidePodInjection } from "./pod-injection.ts";
import type { SidecarOptions } from "./sidecar-container.ts";
import { toAppEnvironment, toSeconds } from "./sidecar-environment.ts";
import type { Container } from "./container.ts";
import type { Workload } from "./workload.ts";

/** Knative's `config-deployment` default (reference §4.3). */
const progressDeadlineSeconds = 600;

/** Nothing where the manifest says nothing, so that `kubectl apply --namespace` decides. */
export function toNamespace({ object, namespace }: Workload): { namespace?: string } {
  return readPath(object, ["metadata", "namespace"]) === namespace ? { namespace } : {};
}

/** The labels that Knative puts on everything of a revision; tools that select by them keep working. */
export function toKnativeLabels(workload: Workload, revision: string): Record<string, string> {
  return {
    "serving.knative.dev/service": workload.name,
    "serving.knative.dev/configuration": workload.name,
    "serving.knative.dev/revision": revision,
  };
}

function toSelector({ template }: Workload, revision: string): Record<string, string> {
  return { "serving.knative.dev/revision": revision, [names.contentHash]: template.contentHash };
}

/** A liveness or startup probe without a port means the app's port. */
function withProbePort(probe: unknown, appPort: number): unknown {
  if (!isJsonObject(probe)) return probe;
  return Object.fromEntries(
    Object.entries(probe).map(([key, handler]) =>
      ["httpGet", "tcpSocket", "grpc"].includes(key) && isJsonObject(handler)
        ? [key, { ...handler, port: handler["port"] === 0 ? appPort : (handler["port"] ?? appPort) }]
        : [key, handler],
    ),
  );
}

function toContainer(container: Container, index: number, workload: Workload, revision: string): JsonObject {
  const { serving, appPort, protocol } = workload.template;
  const { object } = container;
  const isServing = container === serving;
  const identity = { namespace: workload.namespace, service: workload.name, revision };
  const { PORT, ...variables } = toAppEnvironment(identity, appPort);
  const env = Array.isArray(object["env"]) ? object["env"] : [];
  const given = Object.entries(isServing ? { PORT, ...variables } : variables);
  const probes = ["livenessProbe", "startupProbe", "readinessProbe"].filter(
    (name) => object[name] !== undefined,
  );
  return {
    ...object,
    name:
      container.name === "" ? (index === 0 ? "user-container" : `user-container-${index}`) : container.name,
    ...(isServing ? { ports: [{ name: protocol, containerPort: appPort }] } : {}),
    env: [...env, ...given.map(([name, value]) => ({ name, value }))],
    ...Object.fromEntries(probes.map((name) => [name, withProbePort(object[name], appPort)])),
  };
}

function toPodTemplate(workload: Workload, revision: string, options: SidecarOptions): JsonObject {
  const { template } = workload;
  const containers = template.containers.map((container, index) =>
    toContainer(container, index, workload, revision),
  );
  const servingObject = containers[template.containers.indexOf(template.serving)] ?? {};
  const pod: JsonObject = {
    metadata: {
      labels: {
        app: revision,
        ...template.labels,
        ...toKnativeLabels(workload, revision),
        ...toSelector(workload, revision),
        [names.inject]: "true",
      },
      ...(Object.keys(template.annotations).length === 0 ? {} : { annotations: template.annotations }),
    },
    // Service links put a variable into every app for every Service around it, and slow its start down.
    spec: { enableServiceLinks: false, ...template.podSpec, containers },
  };
  const target = {
    path: [],
    pod,
    template: { ...template, serving: { ...template.serving, object: servingObject } },
    identity: { namespace: workload.namespace, service: workload.name, revision },
  };
  return applyEdits(pod, decidePodInjection(target, options));
}

/** The Deployment of one revision of a Knative Service, sidecar included. It never changes: another template, another name. */
export function toDeployment(workload: Workload, revision: string, options: SidecarOptions): JsonObject {
  const { template } = workload;
  const { request, responseStart, idle } = template.timeouts;
  const labels = toKnativeLabels(workload, revision);
  const deadline = template.annotations["serving.knative.dev/progress-deadline"];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: revision,
      ...toNamespace(workload),
      labels: { ...labels, [names.service]: workload.name },
      annotations: {
        [names.enabled]: "true",
        [names.containerConcurrency]: String(template.containerConcurrency),
        [names.timeout]: String(request),
        [names.responseStartTimeout]: String(responseStart),
        [names.idleTimeout]: String(idle),
        [names.contentHash]: template.contentHash,
      },
    },
    spec: {
      progressDeadlineSeconds: toSeconds(deadline, progressDeadlineSeconds),
      revisionHistoryLimit: 0,
      // A selector cannot be changed, so a name that another template has is refused by the API server.
      selector: { matchLabels: toSelector(workload, revision) },
      template: toPodTemplate(workload, revision, options),
    },
  };
}
