import type { ManifestDocument } from "./document.ts";
import { toObjectLabel } from "./document.ts";
import { readPath, type Edit } from "./edit.ts";
import { isJsonObject, type JsonObject } from "./field-reader.ts";
import { names, sidecarPorts } from "./names.ts";
import type { Findings, Problem } from "./problem.ts";
import type { Workload } from "./workload.ts";

export function isKubernetesService(document: ManifestDocument): boolean {
  return document.kind === "Service" && document.apiVersion === "v1";
}

function mapOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

function toSpec(service: ManifestDocument): JsonObject {
  return mapOf(service.object["spec"]);
}

function toPorts(service: ManifestDocument): JsonObject[] {
  const { ports } = toSpec(service);
  return Array.isArray(ports) ? ports.filter(isJsonObject) : [];
}

function doesSelect(service: ManifestDocument, workload: Workload): boolean {
  const { selector } = toSpec(service);
  if (!isJsonObject(selector) || service.namespace !== workload.namespace) return false;
  const { labels } = workload.template;
  const entries = Object.entries(selector);
  return entries.length > 0 && entries.every(([key, value]) => labels[key] === value);
}

/** Whether a Service's port leads to the port on which the app takes requests. */
function leadsToApp(port: JsonObject, workload: Workload): boolean {
  const target = port["targetPort"] ?? port["port"];
  const { serving, appPort } = workload.template;
  return (
    target === appPort ||
    serving.ports.some((entry) => entry.name === target && entry.containerPort === appPort)
  );
}

/** The Services through which `workload` is called today. */
export function findServices(services: readonly ManifestDocument[], workload: Workload): ManifestDocument[] {
  return services.filter(
    (service) => doesSelect(service, workload) && toPorts(service).some((port) => leadsToApp(port, workload)),
  );
}

function toPodLabels({ kind, object }: ManifestDocument): JsonObject {
  const labels = readPath(
    object,
    kind === "Pod" ? ["metadata", "labels"] : ["spec", "template", "metadata", "labels"],
  );
  return mapOf(labels);
}

/** Refuses a Service that others stand behind as well: without its selector they would get nothing any more. */
export function checkOthersBehind(
  service: ManifestDocument,
  workload: Workload,
  documents: readonly ManifestDocument[],
  findings: Findings,
): void {
  const selector = Object.entries(mapOf(toSpec(service)["selector"]));
  const others = documents.filter(
    (document) =>
      document.namespace === service.namespace &&
      !(document.kind === "Deployment" && document.name === workload.name) &&
      selector.every(([key, value]) => toPodLabels(document)[key] === value),
  );
  if (others.length === 0) return;
  const rule = `must select the pods of Deployment ${workload.name} alone, for without it the others would get no requests`;
  findings.refuse("spec.selector", rule, others.map(toObjectLabel));
}

/** A Service of the Deployment's name without a selector looks as if it belonged, and leads nowhere. */
export function findSelectorless(services: readonly ManifestDocument[], workload: Workload): Problem[] {
  const isSelectorless = (service: ManifestDocument): boolean =>
    service.namespace === workload.namespace &&
    service.name === workload.name &&
    toSpec(service)["selector"] === undefined;
  return services.filter(isSelectorless).map((service) => ({
    object: toObjectLabel(service),
    field: "spec.selector",
    rule: `must select the pods of Deployment ${workload.name}; without it nothing says which pods it leads to`,
  }));
}

/** Refuses what could not be served by activators. */
export function checkService(service: ManifestDocument, workload: Workload, findings: Findings): void {
  const spec = toSpec(service);
  if (spec["clusterIP"] === "None") {
    const rule =
      "must not be None: clients of a headless Service connect to pods, and there are none at zero";
    findings.refuse("spec.clusterIP", rule, "None");
  }
  if (spec["type"] === "LoadBalancer" || spec["type"] === "NodePort") {
    const rule =
      "leads to activators while there are no pods, on a port that only the cluster may use; lead clients from outside to sluice-gateway";
    findings.warn("spec.type", rule, spec["type"]);
  }
  for (const [index, port] of toPorts(service).entries()) {
    const { protocol = "TCP" } = port;
    if (protocol !== "TCP") findings.refuse(`spec.ports[${index}].protocol`, "must be TCP", protocol);
    if (leadsToApp(port, workload)) continue;
    findings.refuse(
      `spec.ports[${index}].targetPort`,
      `must be ${workload.template.appPort}, the port that takes requests; give other ports a Service of their own`,
      port["targetPort"] ?? port["port"],
    );
  }
}

/**
 * What has to change so that a Service leads to the sidecar while there are pods and to activators while there are
 * none: no selector, so that its EndpointSlices are written for it, and a label that says which service it is.
 */
export function decideServiceInjection(service: ManifestDocument, workload: Workload): Edit[] {
  const main = workload.template.protocol === "h2c" ? sidecarPorts.h2c : sidecarPorts.main;
  return [
    { op: "set", path: ["metadata", "labels", names.service], value: workload.name },
    { op: "remove", path: ["spec", "selector"] },
    ...toPorts(service).map((_port, index): Edit => ({
      op: "set",
      path: ["spec", "ports", index, "targetPort"],
      value: main,
    })),
  ];
}
