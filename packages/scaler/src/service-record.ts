import type { Service } from "@sluice/core";
import { findKubernetesHosts, names, toServiceAnnotations } from "@sluice/manifest";
import { isJson, listOf, textOf, type ApiObject, type Json } from "./api-object.ts";

export interface ServicePort {
  readonly name: string;
  readonly port: number;
  /** What is spoken there, for gateways that read it from endpoints. */
  readonly appProtocol?: string;
}

/** What is kept of a Kubernetes Service that stands for a service, or for one of its tags. */
export interface ServiceRecord {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly createdAt: string;
  /** The service whose pods or activators are behind it. */
  readonly service: string;
  readonly tag?: string;
  readonly ports: readonly ServicePort[];
  readonly hasSelector: boolean;
  readonly ipFamilies: readonly string[];
  /** The split, where the Service says one. */
  readonly traffic?: Service["traffic"];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

type TrafficEntry = Service["traffic"][number];

function toEntry(value: unknown): TrafficEntry | undefined {
  if (!isJson(value)) return undefined;
  const { revision, percent, tag } = value;
  const isPercent =
    typeof percent === "number" && Number.isInteger(percent) && percent >= 0 && percent <= 100;
  if (typeof revision !== "string" || revision === "" || !isPercent) return undefined;
  return { revision, percent, ...(typeof tag === "string" ? { tag } : {}) };
}

/** The split of the annotation; undefined when there is none or it cannot be used. */
export function parseTrafficAnnotation(text: string | undefined): TrafficEntry[] | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value)) return undefined;
    const entries = value.map(toEntry);
    const sum = entries.reduce((total, entry) => total + (entry?.percent ?? 0), 0);
    const good = entries.filter((entry) => entry !== undefined);
    return good.length === entries.length && sum === 100 ? good : undefined;
  } catch {
    // Whoever edited it sees the event that a Service without a usable split gets.
    return undefined;
  }
}

function toPort({ name, port, appProtocol }: Json): ServicePort {
  return {
    name: textOf(name),
    port: Number(port),
    ...(typeof appProtocol === "string" ? { appProtocol } : {}),
  };
}

/** What to keep of a Service; the watch's selector has left out those without the label. */
export function toServiceRecord(object: ApiObject): ServiceRecord | undefined {
  const { metadata, spec } = object;
  const service = metadata.labels[names.service];
  if (service === undefined) return undefined;
  const tag = metadata.annotations[names.tag];
  const traffic = parseTrafficAnnotation(metadata.annotations[names.traffic]);
  const families = spec["ipFamilies"];
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    createdAt: metadata.creationTimestamp,
    service,
    ...(tag === undefined ? {} : { tag }),
    ports: listOf(spec["ports"]).map(toPort),
    hasSelector: isJson(spec["selector"]) && Object.keys(spec["selector"]).length > 0,
    ipFamilies: Array.isArray(families) ? families.map(String) : ["IPv4"],
    ...(traffic === undefined ? {} : { traffic }),
    labels: metadata.labels,
    // Others may be long, kubectl's copy of the whole object for one.
    annotations: Object.fromEntries(
      Object.entries(metadata.annotations).filter(([key]) => key.startsWith("sluice.dev/")),
    ),
  };
}

/** The feed's service for a Service object that carries a split. */
export function toSplitService(record: ServiceRecord, domains: readonly string[]): Service | undefined {
  if (record.traffic === undefined || record.tag !== undefined) return undefined;
  return {
    kind: "service",
    namespace: record.namespace,
    name: record.service,
    hosts: findKubernetesHosts({ ...record, name: record.service, traffic: record.traffic }, domains),
    traffic: record.traffic,
    annotations: toServiceAnnotations(record.annotations),
  };
}
