import { formatProblem, renderManifest, type RenderOptions, type RenderResult } from "@sluice/manifest";
import { describe, expect, test } from "vitest";
import { findKubernetesFaults } from "../support/kubernetes-schema.ts";

const options: RenderOptions = {
  image: "sidecar:1",
  domains: ["example.com"],
  routes: "ingress",
  systemNamespace: "sluice-system",
  gateway: "sluice-system/sluice",
};

const service = `apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello, namespace: prod, labels: {tier: inner}}
spec: {template: {spec: {containers: [{image: hello, resources: {requests: {cpu: "2"}}}]}}}
`;

function withConfig(name: string, data: string, more = "", text = service): RenderResult {
  return renderManifest(
    `apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}, namespace: knative-serving${more}}
data:
${data}
---
${text}`,
    options,
  );
}

interface Rendered {
  kind: string;
  metadata: { name: string; namespace: string; annotations: Record<string, string> };
  spec: {
    progressDeadlineSeconds?: number;
    rules?: { host: string }[];
    template?: {
      spec: {
        enableServiceLinks: boolean;
        containers: { resources: unknown; env: { name: string; value?: string }[] }[];
      };
    };
  };
}

function findIn(result: RenderResult, kind: string): Rendered {
  expect(result.problems.map(formatProblem)).toEqual([]);
  return result.objects.find((object) => object["kind"] === kind) as never;
}

describe("config-defaults", () => {
  const result = withConfig(
    "config-defaults",
    `  _example: "everything: documented"
  container-concurrency: "7"
  revision-timeout-seconds: "120"
  revision-response-start-timeout-seconds: "60"
  revision-idle-timeout-seconds: "30"
  enable-service-links: "true"
  revision-cpu-request: 400m
  revision-memory-limit: 200Mi`,
  );

  test("are the limits of a Service that has none", () => {
    const { annotations } = findIn(result, "Deployment").metadata;
    expect(annotations).toMatchObject({
      "sluice.dev/container-concurrency": "7",
      "sluice.dev/timeout-seconds": "120",
      "sluice.dev/response-start-timeout-seconds": "60",
      "sluice.dev/idle-timeout-seconds": "30",
    });
  });

  test("are the resources of its app, where that says nothing, and its service links", async () => {
    const pod = findIn(result, "Deployment").spec.template?.spec;
    expect(pod?.enableServiceLinks).toBe(true);
    expect(pod?.containers[0]?.resources).toEqual({ requests: { cpu: "2" }, limits: { memory: "200Mi" } });
    expect(
      (await Promise.all(result.objects.map((object) => findKubernetesFaults({ ...object })))).flat(),
    ).toEqual([]);
  });

  test("give way to what the Service says, and its limits stay consistent", () => {
    const own = service.replace(
      "spec: {containers",
      "spec: {timeoutSeconds: 45, containerConcurrency: 0, containers",
    );
    const text = withConfig(
      "config-defaults",
      '  container-concurrency: "7"\n  revision-response-start-timeout-seconds: "60"',
      "",
      own,
    );
    expect(findIn(text, "Deployment").metadata.annotations).toMatchObject({
      "sluice.dev/container-concurrency": "0",
      "sluice.dev/timeout-seconds": "45",
      // 60 is not below 45.
      "sluice.dev/response-start-timeout-seconds": "0",
    });
  });

  test.each([
    ["container-concurrency", "1001", "must be a whole number from 0 to 1000"],
    ["revision-timeout-seconds", "601", "must be a whole number from 0 to 600"],
    ["enable-service-links", "maybe", "must be true, false or default"],
  ])("with a bad %s are refused", (key, value, rule) => {
    const refused = withConfig("config-defaults", `  ${key}: "${value}"`);
    expect(refused).toMatchObject({ objects: [], text: "" });
    expect(refused.problems.map(formatProblem)).toEqual([
      `ConfigMap knative-serving/config-defaults: data[${key}]: ${rule} (found "${value}")`,
    ]);
  });
});

test("config-deployment is the deadline of a roll-out, and the sidecar's resources", () => {
  const result = withConfig(
    "config-deployment",
    "  progress-deadline: 120s\n  queue-sidecar-cpu-request: 99m\n  queue-sidecar-image: queue:1",
  );
  const { spec } = findIn(result, "Deployment");
  expect(spec.progressDeadlineSeconds).toBe(120);
  expect(spec.template?.spec.containers[1]?.resources).toMatchObject({ requests: { cpu: "99m" } });
  expect(result.warnings.map(formatProblem)).toEqual([
    'ConfigMap knative-serving/config-deployment: data[queue-sidecar-image]: is not supported and has no effect (found "queue:1")',
  ]);
});

describe("config-domain", () => {
  const hostsOf = (data: string): (string | undefined)[] | undefined =>
    findIn(withConfig("config-domain", data), "Ingress").spec.rules?.map(({ host }) => host);

  test("names the domain", () => {
    expect(hostsOf('  apps.example.org: ""')).toEqual(["hello.prod.apps.example.org"]);
  });

  test("takes the one whose selector fits best, and of several the first", () => {
    const data = `  z.example.org: ""
  b.example.org: |
    selector:
      tier: inner
  a.example.org: |
    selector:
      tier: inner
  other.example.org: |
    selector:
      tier: outer
      app: hello`;
    expect(hostsOf(data)).toEqual(["hello.prod.a.example.org"]);
  });

  test("with something else than a selector is refused", () => {
    expect(withConfig("config-domain", "  a.example.org: hello").problems.map(formatProblem)).toEqual([
      'ConfigMap knative-serving/config-domain: data[a.example.org]: must be empty or a selector of labels (found "hello")',
    ]);
  });
});

test("config-autoscaler goes to where the aggregator reads it", () => {
  const moved = findIn(withConfig("config-autoscaler", '  stable-window: "30s"'), "ConfigMap");
  expect(moved).toMatchObject({
    metadata: { name: "config-autoscaler", namespace: "sluice-system" },
    data: { "stable-window": "30s" },
  });
});

test("settings of Knative that nothing here reads are named, and left out", () => {
  const result = withConfig("config-gc", '  min-non-active-revisions: "20"');
  expect(result.warnings.map(formatProblem)).toEqual([
    "ConfigMap knative-serving/config-gc: is a setting of Knative that nothing here reads, and is left out",
  ]);
  expect(result.objects.map((object) => object["kind"])).toEqual(["Deployment", "Service", "Ingress"]);
});

test("ConfigMaps of the same names elsewhere are somebody else's, and pass through", () => {
  const text = `apiVersion: v1
kind: ConfigMap
metadata: {name: config-defaults, namespace: prod}
data: {a: b}
---
${service}`;
  const result = renderManifest(text, options);
  expect(result.warnings).toEqual([]);
  expect(result.objects[0]).toMatchObject({ kind: "ConfigMap", metadata: { namespace: "prod" } });
});
