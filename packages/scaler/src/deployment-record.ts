import type { Applied, Failure, Revision, Service } from "@sluice/core";
import {
  names,
  parseDeploymentObject,
  toFeedRevision,
  toFeedService,
  type DeploymentReading,
  type Problem,
} from "@sluice/manifest";
import { isJson, jsonOf, listOf, textOf, type ApiObject, type Json } from "./api-object.ts";

/** What is kept of an opted-in Deployment, and of one that was until its traces are removed. */
export interface DeploymentRecord {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly createdAt: string;
  /** The service of which it is a revision. */
  readonly service: string;
  /** Settings that stand on the Deployment rather than on its pods. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly replicas: number;
  /** It is opted in, and its pods get or have the sidecar: it may be scaled. */
  readonly isManaged: boolean;
  /** It carries annotations in which a scaler said what it did. */
  readonly isMarked: boolean;
  readonly applied: Applied;
  /** The number that a scaler wrote last, as far as it could say so. */
  readonly writtenReplicas?: number;
  /** As the feed has it, but for what pods add; undefined when anything is refused. */
  readonly revision?: Revision;
  /** The service that the Deployment is by itself, where no Service object says more. */
  readonly ownService?: Service;
  readonly problems: readonly Problem[];
}

function parseApplied(text: string | undefined): Json {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : {};
  } catch {
    // Somebody edited it; it is written anew with the next decision.
    return {};
  }
}

function toWrittenReplicas(object: ApiObject): number | undefined {
  const { replicas } = parseApplied(object.metadata.annotations[names.applied]);
  return Number.isInteger(replicas) ? Number(replicas) : undefined;
}

function isTime(value: unknown): value is string {
  return typeof value === "string" && !Number.isNaN(Date.parse(value));
}

function toApplied(object: ApiObject, replicas: number): Applied {
  const stored = parseApplied(object.metadata.annotations[names.applied]);
  const { mode, modeSince, decidedAt, scaledAt } = stored;
  return {
    replicas,
    mode: mode === "serve" ? "serve" : "proxy",
    modeSince: isTime(modeSince) ? modeSince : object.metadata.creationTimestamp,
    ...(isTime(decidedAt) ? { decidedAt } : {}),
    ...(isTime(scaledAt) ? { scaledAt } : {}),
  };
}

function findFailure(object: ApiObject): Failure | undefined {
  const conditions = listOf(object.status["conditions"]);
  const failed = conditions.find(
    (condition) =>
      (condition["type"] === "Progressing" && condition["status"] === "False") ||
      (condition["type"] === "ReplicaFailure" && condition["status"] === "True"),
  );
  if (failed === undefined) return undefined;
  return { reason: textOf(failed["reason"]) || "Failed", message: textOf(failed["message"]) };
}

const noReading: DeploymentReading = { problems: [] };

function isInjected(object: ApiObject): boolean {
  const template = jsonOf(jsonOf(object.spec["template"])["metadata"]);
  return jsonOf(template["labels"])[names.inject] === "true";
}

/** Without the sidecar nobody sees its requests: it would be scaled to zero under load. */
function toMissingSidecar({ metadata }: ApiObject): Problem {
  const rule = 'must be "true", or its pods have no sidecar and it cannot be scaled; sluice inject sets it';
  return {
    object: `Deployment ${metadata.namespace}/${metadata.name}`,
    field: `spec.template.metadata.labels[${names.inject}]`,
    rule,
  };
}

/** What to keep of a Deployment; undefined for one that did not opt in and carries no trace of us. */
export function toDeploymentRecord(
  object: ApiObject,
  domains: readonly string[],
): DeploymentRecord | undefined {
  const { metadata } = object;
  const isEnabled = metadata.annotations[names.enabled] === "true";
  const isMarked = [names.applied, names.status].some((name) => metadata.annotations[name] !== undefined);
  if (!isEnabled && !isMarked) return undefined;
  const hasSidecar = isInjected(object);
  const isManaged = isEnabled && hasSidecar;
  const { workload, problems: found } = isManaged ? parseDeploymentObject(object.json) : noReading;
  const problems = isEnabled && !hasSidecar ? [toMissingSidecar(object)] : found;
  const { replicas: written } = object.spec;
  // Kubernetes fills the field in; it is missing only in objects that never were on a server.
  const replicas = typeof written === "number" ? written : 1;
  const applied = toApplied(object, replicas);
  const service = metadata.labels[names.service] ?? metadata.name;
  const writtenReplicas = toWrittenReplicas(object);
  const record = {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    createdAt: metadata.creationTimestamp,
    service,
    annotations: Object.fromEntries(
      Object.entries(metadata.annotations).filter(
        ([key]) =>
          /^(sluice|autoscaling\.knative)\.dev\//.test(key) && key !== names.applied && key !== names.status,
      ),
    ),
    replicas,
    isManaged,
    isMarked,
    applied,
    ...(writtenReplicas === undefined ? {} : { writtenReplicas }),
    problems,
  };
  if (workload === undefined) return record;
  const ownService = toFeedService(workload, { domains, latestRevision: metadata.name });
  const failure = findFailure(object);
  const facts = {
    name: metadata.name,
    createdAt: metadata.creationTimestamp,
    applied,
    ...(failure === undefined ? {} : { failure }),
  };
  const revision = { ...toFeedRevision(workload, ownService, facts), service };
  return service === metadata.name ? { ...record, revision, ownService } : { ...record, revision };
}
