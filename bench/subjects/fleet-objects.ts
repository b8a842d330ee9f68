import { feedObjectSchema, type FeedObject } from "@sluice/core";
import * as v from "valibot";

const at = "2026-11-23T10:00:00.000Z";

/** One of many services with its revision, as a platform publishes them: parsed from their line and checked by the schema, so that no text is shared. */
export function toFleetObjects(index: number): FeedObject[] {
  const name = `service-${index}`;
  const objects = [
    {
      kind: "revision",
      namespace: "default",
      name: `${name}-00001`,
      service: name,
      containerConcurrency: 10,
      protocol: "http1",
      timeouts: { request: 300, responseStart: 0, idle: 0 },
      annotations: { "autoscaling.knative.dev/target": "10" },
      readiness: { probe: "tcp", hasStartupProbe: false },
      reachable: true,
      createdAt: at,
      applied: { replicas: 0, mode: "proxy", modeSince: at, decidedAt: at, scaledAt: at },
    },
    {
      kind: "service",
      namespace: "default",
      name,
      hosts: [
        { host: toFleetHost(index), visibility: "public" },
        { host: `${name}.default.localhost`, visibility: "public" },
        { host: `${name}.default.svc.cluster.local`, visibility: "cluster" },
      ],
      traffic: [{ revision: `${name}-00001`, percent: 100 }],
      annotations: {},
    },
  ];
  return objects.map((object) => v.parse(feedObjectSchema, JSON.parse(JSON.stringify(object))));
}

export function toFleetHost(index: number): string {
  return `service-${index}.default.example.com`;
}

/** The pod of a service of the fleet. */
export function toFleetPod(index: number, address: string, port: number): FeedObject {
  return v.parse(feedObjectSchema, {
    kind: "pod",
    namespace: "default",
    revision: `service-${index}-00001`,
    name: `service-${index}-00001-a`,
    address,
    ports: { main: port, stats: 1, metrics: 1, admin: 1 },
    ready: true,
    terminating: false,
    startedAt: at,
  });
}
