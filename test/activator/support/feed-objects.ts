import type { Pod, Revision, Service } from "@sluice/core";

/** Feed objects with everything filled in; tests name what they are about. */
export function makeService(part: Partial<Service> = {}): Service {
  return {
    kind: "service",
    namespace: "default",
    name: "hello",
    hosts: [{ host: "hello.default.example.com", visibility: "public" }],
    traffic: [{ revision: "hello-00001", percent: 100 }],
    annotations: {},
    ...part,
  };
}

export function makeRevision(part: Partial<Revision> = {}): Revision {
  return {
    kind: "revision",
    namespace: "default",
    name: "hello-00001",
    service: "hello",
    containerConcurrency: 0,
    protocol: "http1",
    timeouts: { request: 300, responseStart: 0, idle: 0 },
    annotations: {},
    readiness: { probe: "tcp", hasStartupProbe: false },
    reachable: true,
    createdAt: "2026-11-23T10:00:00.000Z",
    applied: { replicas: 0, mode: "proxy", modeSince: "2026-11-23T10:00:00.000Z" },
    ...part,
  };
}

export function makePod(part: Partial<Pod> = {}): Pod {
  return {
    kind: "pod",
    namespace: "default",
    revision: "hello-00001",
    name: "hello-00001-a",
    address: "127.0.0.1",
    ports: { main: 8012, stats: 9090, metrics: 9091, admin: 8022 },
    ready: true,
    terminating: false,
    startedAt: "2026-11-23T10:00:00.000Z",
    ...part,
  };
}
