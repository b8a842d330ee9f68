import { isIPv6 } from "node:net";
import { jsonOf, listOf, textOf, type ApiObject, type Json } from "./api-object.ts";
import type { ServiceRecord } from "./service-record.ts";

/** Label value by which our EndpointSlices are told from everybody else's. */
export const sliceManager = "scaler.sluice.dev";

/** Who is behind a Service, by one of its two kinds of slice. */
export type SliceRole = "activators" | "pods";

/** A pod behind a Service. Its node decides who reaches it where a Service's traffic stays on its node. */
export interface SliceEndpoint {
  readonly address: string;
  readonly namespace: string;
  readonly name: string;
  readonly nodeName: string;
}

/** What is kept of one of our EndpointSlices. */
export interface SliceRecord {
  readonly namespace: string;
  readonly name: string;
  readonly service: string;
  readonly role: SliceRole;
  readonly resourceVersion: string;
  /** Equal for slices that mean the same. */
  readonly content: string;
  /** What Kubernetes itself wrote, from when the Service had a selector, may still be there. */
  readonly hasRivals: boolean;
}

const roleLabel = "sluice.dev/endpoints";
/** Stands in the cluster, so that the next writer goes on where this one stopped, without asking for every Service. */
const rivalsAnnotation = "sluice.dev/remove-other-endpoints";
/** The most that the API takes in one slice. */
const maxEndpoints = 1000;

/** Equal for two slices that send requests to the same places. */
function toContent(ports: readonly Json[], endpoints: readonly Json[]): string {
  const places = endpoints
    .map(({ addresses, nodeName }) => JSON.stringify(addresses) + textOf(nodeName))
    .toSorted();
  const numbers = ports
    .map((port) => `${textOf(port["name"])}=${String(port["port"])}${textOf(port["appProtocol"])}`)
    .toSorted();
  return `${numbers.join(",")} ${places.join(",")}`;
}

export function toSliceRecord(object: ApiObject): SliceRecord | undefined {
  const { annotations, labels, name, namespace, resourceVersion } = object.metadata;
  const role = labels[roleLabel];
  if (role !== "activators" && role !== "pods") return undefined;
  const content = toContent(listOf(object.json["ports"]), listOf(object.json["endpoints"]));
  return {
    namespace,
    name,
    service: labels["kubernetes.io/service-name"] ?? "",
    role,
    resourceVersion,
    content,
    hasRivals: annotations[rivalsAnnotation] !== undefined,
  };
}

/** Of a Service's name, or of its key. */
export function toSliceName<Name extends string>(
  service: Name,
  role: SliceRole,
): `${Name}-sluice-${SliceRole}` {
  return `${service}-sluice-${role}`;
}

/** A slice as it should be: its JSON and what to compare it by. */
export interface WantedSlice {
  readonly name: string;
  readonly role: SliceRole;
  readonly content: string;
  readonly json: Json;
}

/** The slice with or without the note that others have to be removed. */
export function withRivals(slice: WantedSlice, hasRivals: boolean): WantedSlice {
  if (!hasRivals) return slice;
  const metadata = { ...jsonOf(slice.json["metadata"]), annotations: { [rivalsAnnotation]: "true" } };
  return { ...slice, json: { ...slice.json, metadata } };
}

/** Every port of the Service leads to `port` of each endpoint. Of a mixed list the first one's family counts. */
export function toSlice(
  service: ServiceRecord,
  role: SliceRole,
  endpoints: readonly SliceEndpoint[],
  port: number,
): WantedSlice {
  const isV6 = isIPv6(endpoints[0]?.address ?? "");
  const usable = endpoints.filter(({ address }) => isIPv6(address) === isV6).slice(0, maxEndpoints);
  const ports = service.ports.map(({ name, appProtocol }) => ({
    name,
    port,
    protocol: "TCP",
    ...(appProtocol === undefined ? {} : { appProtocol }),
  }));
  const members = usable.map(({ address, namespace, name, nodeName }) => ({
    addresses: [address],
    conditions: { ready: true, serving: true, terminating: false },
    targetRef: { kind: "Pod", namespace, name },
    ...(nodeName === "" ? {} : { nodeName }),
  }));
  const name = toSliceName(service.name, role);
  return {
    name,
    role,
    content: toContent(ports, members),
    json: {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name,
        namespace: service.namespace,
        labels: {
          "kubernetes.io/service-name": service.name,
          "endpointslice.kubernetes.io/managed-by": sliceManager,
          [roleLabel]: role,
        },
        ownerReferences: [
          { apiVersion: "v1", kind: "Service", name: service.name, uid: service.uid, controller: true },
        ],
      },
      addressType: isV6 ? "IPv6" : "IPv4",
      endpoints: members,
      ports,
    },
  };
}
