import { feedObjectSchema } from "@sluice/core";
import {
  chooseRevision,
  readManifest,
  toFeedRevision,
  toFeedService,
  toRevisionName,
  toSidecarEnvironment,
  type Workload,
} from "@sluice/manifest";
import * as v from "valibot";
import { describe, expect, test } from "vitest";

const applied = { replicas: 0, mode: "proxy", modeSince: "2026-11-23T10:00:00.000Z" } as const;

function workloadOf(
  fields: { traffic?: string; annotations?: string; container?: string; image?: string } = {},
): Workload {
  const text = `apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello, namespace: prod, annotations: {sluice.dev/hosts: "hello.example.org"}}
spec:
  template:
    metadata: {annotations: {${fields.annotations ?? ""}}}
    spec: {containerConcurrency: 3, containers: [{image: ${fields.image ?? "app"}, ${fields.container ?? ""}}]}
  traffic: ${fields.traffic ?? "[]"}
`;
  const [workload] = readManifest(text, { platform: "local" }).workloads;
  if (workload === undefined) throw new Error("no workload was read");
  return workload;
}

describe("toFeedService", () => {
  test("gives a host for each domain, each tag, the cluster, and the service's own", () => {
    const workload = workloadOf({ traffic: "[{latestRevision: true, percent: 100, tag: new}]" });
    const service = toFeedService(workload, {
      domains: ["example.com", "localhost"],
      latestRevision: "hello-00002",
    });
    expect(v.parse(feedObjectSchema, service)).toEqual(service);
    expect(service.hosts.map(({ host, tag, visibility }) => `${host} ${tag ?? "-"} ${visibility}`)).toEqual([
      "hello.prod.example.com - public",
      "new-hello.prod.example.com new public",
      "hello.prod.localhost - public",
      "new-hello.prod.localhost new public",
      "hello.example.org - public",
      "hello.prod - cluster",
      "hello.prod.svc - cluster",
      "hello.prod.svc.cluster.local - cluster",
      "new-hello.prod new cluster",
      "new-hello.prod.svc new cluster",
      "new-hello.prod.svc.cluster.local new cluster",
    ]);
  });

  test("sums the shares of one revision and gives each tag an entry of its own", () => {
    const traffic =
      "[{latestRevision: true, percent: 60}, {revisionName: hello-00002, percent: 10, tag: x}, {revisionName: hello-00001, percent: 30}, {revisionName: hello-00001, tag: old}]";
    const service = toFeedService(workloadOf({ traffic }), { domains: [], latestRevision: "hello-00002" });
    expect(service.traffic).toEqual([
      { revision: "hello-00002", percent: 70 },
      { revision: "hello-00001", percent: 30 },
      { revision: "hello-00002", percent: 0, tag: "x" },
      { revision: "hello-00001", percent: 0, tag: "old" },
    ]);
  });
});

describe("toFeedRevision", () => {
  const workload = workloadOf({
    annotations: 'autoscaling.knative.dev/target: "10", note: "for people"',
    container: "readinessProbe: {httpGet: {path: /ready}}, startupProbe: {tcpSocket: {}}",
  });
  const service = toFeedService(workload, { domains: [], latestRevision: "hello-00002" });

  test("hands on limits, probes and the annotations that scaling reads", () => {
    const revision = toFeedRevision(workload, service, {
      name: "hello-00002",
      createdAt: applied.modeSince,
      applied,
    });
    expect(v.parse(feedObjectSchema, revision)).toEqual(revision);
    expect(revision).toMatchObject({
      service: "hello",
      containerConcurrency: 3,
      annotations: { "autoscaling.knative.dev/target": "10" },
      readiness: { probe: "http", hasStartupProbe: true },
      reachable: true,
    });
  });

  test("is unreachable when no traffic leads to it", () => {
    const facts = { name: "hello-00001", createdAt: applied.modeSince, applied };
    expect(toFeedRevision(workload, service, facts).reachable).toBe(false);
  });
});

describe("chooseRevision", () => {
  const first = workloadOf();
  const known = { name: "hello-00001", contentHash: first.template.contentHash, generation: 1 };

  test("makes the first, and none for the same template", () => {
    expect(chooseRevision(first, [])).toEqual({ outcome: "new", revision: known });
    expect(chooseRevision(workloadOf({ traffic: "[{percent: 100}]" }), [known])).toEqual({
      outcome: "unchanged",
      revision: known,
    });
  });

  test("makes another for every change of the template, back to an earlier one included", () => {
    const second = workloadOf({ image: "app:2" });
    const choice = chooseRevision(second, [known]);
    expect(choice).toMatchObject({ outcome: "new", revision: { name: "hello-00002", generation: 2 } });
    if (choice.outcome !== "new") throw new Error("no new revision");
    expect(chooseRevision(first, [known, choice.revision])).toMatchObject({
      outcome: "new",
      revision: { name: "hello-00003" },
    });
  });

  test("refuses a name that another template has", () => {
    const named = {
      ...first,
      template: { ...first.template, revisionName: "hello-00001", contentHash: "other" },
    };
    expect(chooseRevision(named, [known])).toEqual({ outcome: "taken", name: "hello-00001" });
  });

  test("does not see the order in which fields are written", () => {
    const a = workloadOf({ container: "command: [x], workingDir: /y" });
    const b = workloadOf({ container: "workingDir: /y, command: [x]" });
    expect(a.template.contentHash).toBe(b.template.contentHash);
    expect(a.template.contentHash).not.toBe(first.template.contentHash);
  });

  test("pads generations as Knative does", () => {
    expect([1, 42, 123_456].map((generation) => toRevisionName("a", generation))).toEqual([
      "a-00001",
      "a-00042",
      "a-123456",
    ]);
  });
});

describe("toSidecarEnvironment", () => {
  const identity = {
    namespace: "prod",
    service: "hello",
    revision: "hello-00001",
    pod: "p",
    podIp: "127.0.0.9",
  };

  test.each([
    ["", { tcpSocket: { port: 8080, host: "127.0.0.1" }, successThreshold: 1 }],
    [
      "readinessProbe: {httpGet: {path: /r}}",
      { httpGet: { path: "/r", port: 8080, host: "127.0.0.1", scheme: "HTTP" }, successThreshold: 1 },
    ],
    [
      "readinessProbe: {httpGet: {path: /r, port: 8081, host: example.org}, periodSeconds: 5}",
      {
        httpGet: { path: "/r", port: 8081, host: "127.0.0.1", scheme: "HTTP" },
        periodSeconds: 5,
        successThreshold: 1,
        failureThreshold: 3,
        timeoutSeconds: 1,
      },
    ],
    [
      "readinessProbe: {exec: {command: [ls]}}",
      { tcpSocket: { port: 8080, host: "127.0.0.1" }, successThreshold: 1 },
    ],
    ["readinessProbe: {grpc: {service: s}}", { grpc: { port: 8080, service: "s" }, successThreshold: 1 }],
  ])("turns %j into the probe that the sidecar runs", (container, probe) => {
    const environment = toSidecarEnvironment(workloadOf({ container }).template, identity);
    expect(JSON.parse(environment["SERVING_READINESS_PROBE"] ?? "")).toEqual(probe);
  });

  test("follows an app that listens elsewhere than its manifest says", () => {
    const { template } = workloadOf({
      container: "ports: [{containerPort: 80}], readinessProbe: {tcpSocket: {port: 80}}",
    });
    const environment = toSidecarEnvironment(template, { ...identity, appPort: 18_080 });
    expect(environment).toMatchObject({
      USER_PORT: "18080",
      CONTAINER_CONCURRENCY: "3",
      SERVING_POD_IP: "127.0.0.9",
    });
    expect(JSON.parse(environment["SERVING_READINESS_PROBE"] ?? "")).toMatchObject({
      tcpSocket: { port: 18_080 },
    });
  });
});
