import type { Failure, Pod } from "@sluice/core";
import { names, sidecarContainerName } from "@sluice/manifest";
import { jsonOf, listOf, textOf, type ApiObject, type Json } from "./api-object.ts";
import { isPodAddress } from "./pod-address.ts";

/** Annotation of Kubernetes: pods with less of it go first when a ReplicaSet shrinks. */
export const deletionCostAnnotation = "controller.kubernetes.io/pod-deletion-cost";

/** What is kept of a pod that has a sidecar. */
export interface PodRecord {
  readonly kind: "app";
  readonly namespace: string;
  readonly name: string;
  /** The ReplicaSet that made it. */
  readonly ownerUid: string;
  /** Empty until it has one that may be used. */
  readonly address: string;
  /** Where it runs; empty before it was scheduled. */
  readonly nodeName: string;
  readonly ports: Pod["ports"];
  readonly ready: boolean;
  readonly terminating: boolean;
  readonly startedAt: string;
  readonly deletionCost: number;
  readonly failure?: Failure;
}

/** An activator or aggregator. */
export interface MemberRecord {
  readonly kind: "activator" | "aggregator";
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
  readonly nodeName: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly ready: boolean;
}

const componentLabel = "app.kubernetes.io/component";

/** Reasons for which a container waits and will not start by itself. */
const startFailures: readonly string[] = [
  "CrashLoopBackOff",
  "ImagePullBackOff",
  "ErrImagePull",
  "InvalidImageName",
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
];

function isReady(object: ApiObject): boolean {
  return listOf(object.status["conditions"]).some(
    (condition) => condition["type"] === "Ready" && condition["status"] === "True",
  );
}

function findFailure(object: ApiObject): Failure | undefined {
  for (const status of listOf(object.status["containerStatuses"])) {
    const state = jsonOf(status["state"]);
    const waiting = jsonOf(state["waiting"]);
    const reason = textOf(waiting["reason"]);
    if (!startFailures.includes(reason)) continue;
    const last = jsonOf(jsonOf(status["lastState"])["terminated"]);
    const code = last["exitCode"];
    const exit = typeof code === "number" ? `exited with code ${code}` : "";
    const message = textOf(waiting["message"]) || exit || reason;
    return { reason, message: `container ${textOf(status["name"])}: ${message}` };
  }
  return undefined;
}

function toAddress(object: ApiObject): string {
  const address = textOf(object.status["podIP"]);
  // A pod on the node's network has the node's address: its ports are not its own.
  const isOnNode = object.spec["hostNetwork"] === true;
  return isOnNode || !isPodAddress(address) ? "" : address;
}

function toNamedPorts(containers: readonly Json[]): Record<string, number> {
  const ports = containers.flatMap((container) => listOf(container["ports"]));
  return Object.fromEntries(ports.map((port) => [textOf(port["name"]), Number(port["containerPort"])]));
}

function toAppRecord(object: ApiObject): PodRecord | undefined {
  const sidecar = listOf(object.spec["containers"]).filter((entry) => entry["name"] === sidecarContainerName);
  const ports = toNamedPorts(sidecar);
  const {
    "queue-port": main,
    "queue-admin": admin,
    "http-autometric": stats,
    "http-usermetric": metrics,
  } = ports;
  const owner = object.metadata.ownerReferences.find((reference) => reference.controller === true);
  if (!main || !admin || !stats || !metrics || owner?.kind !== "ReplicaSet") return undefined;
  const failure = findFailure(object);
  return {
    kind: "app",
    namespace: object.metadata.namespace,
    name: object.metadata.name,
    ownerUid: owner.uid,
    address: toAddress(object),
    nodeName: textOf(object.spec["nodeName"]),
    ports: { main, stats, metrics, admin },
    ready: isReady(object),
    terminating: object.metadata.deletionTimestamp !== undefined,
    startedAt: textOf(object.status["startTime"]) || object.metadata.creationTimestamp,
    deletionCost: Number(object.metadata.annotations[deletionCostAnnotation] ?? 0),
    ...(failure === undefined ? {} : { failure }),
  };
}

function toMemberRecord(object: ApiObject, kind: MemberRecord["kind"]): MemberRecord {
  return {
    kind,
    namespace: object.metadata.namespace,
    name: object.metadata.name,
    address: toAddress(object),
    nodeName: textOf(object.spec["nodeName"]),
    ports: toNamedPorts(listOf(object.spec["containers"])),
    ready: isReady(object) && object.metadata.deletionTimestamp === undefined,
  };
}

/** What to keep of a pod; undefined for one that is neither an app with a sidecar nor one of us. */
export function toPodRecord(
  object: ApiObject,
  systemNamespace: string,
): PodRecord | MemberRecord | undefined {
  const { labels, namespace } = object.metadata;
  if (labels[names.inject] === "true") return toAppRecord(object);
  const component = labels[componentLabel];
  const isOurs = namespace === systemNamespace && labels["app.kubernetes.io/part-of"] === "sluice";
  return isOurs && (component === "activator" || component === "aggregator")
    ? toMemberRecord(object, component)
    : undefined;
}
