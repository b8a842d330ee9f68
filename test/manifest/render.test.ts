import { formatProblem, readManifest, renderManifest, type RenderOptions } from "@sluice/manifest";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { describe, expect, test } from "vitest";
import { findKubernetesFaults } from "../support/kubernetes-schema.ts";

const options: RenderOptions = {
  image: "registry.example/sidecar:1",
  domains: ["example.com"],
  routes: "none",
  systemNamespace: "sluice-system",
  gateway: "sluice-system/sluice",
};

const full = `apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: hello
  namespace: prod
  annotations: {sluice.dev/hosts: hello.example.org}
spec:
  template:
    metadata:
      labels: {team: a}
      annotations: {autoscaling.knative.dev/max-scale: "5", serving.knative.dev/progress-deadline: 2m}
    spec:
      containerConcurrency: 3
      timeoutSeconds: 60
      serviceAccountName: robot
      containers:
        - image: app:1
          ports: [{containerPort: 9000, name: h2c}]
          readinessProbe: {exec: {command: [ls]}}
          livenessProbe: {httpGet: {path: /live}}
          resources: {limits: {memory: 64Mi}}
          colour: red
        - image: helper:1
      volumes: [{name: v, emptyDir: {}}]
  traffic:
    - {latestRevision: true, percent: 90, tag: new}
    - {revisionName: hello-00001, percent: 10}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: prod}
data: {a: b}
`;

interface Rendered {
  kind: string;
  metadata: {
    name: string;
    namespace: string;
    labels: Record<string, string>;
    annotations: Record<string, string>;
  };
  spec: Record<string, unknown>;
}

function render(text: string, more: Partial<RenderOptions> = {}): Rendered[] {
  const result = renderManifest(text, { ...options, ...more });
  expect(result.problems.map(formatProblem)).toEqual([]);
  const objects = parseAllDocuments(result.text).map((document) => document.toJS() as Rendered);
  expect(objects).toEqual(result.objects);
  return objects;
}

function article(name: string): string {
  return readFileSync(join(import.meta.dirname, "fixtures", `${name}.yaml`), "utf8");
}

describe("renderManifest", () => {
  test.each(["helloworld-go", "autoscale-go"])(
    "makes Deployment and Service of the article's %s",
    async (name) => {
      const objects = render(article(name), { generation: 1 });
      expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`)).toEqual([
        `Deployment default/${name}-00001`,
        `Service default/${name}`,
      ]);
      const faults = await Promise.all(objects.map((object) => findKubernetesFaults({ ...object })));
      expect(faults.flat()).toEqual([]);
    },
  );

  test.each(["none", "ingress", "gateway"] as const)(
    "writes nothing that Kubernetes' schema does not know, routes %s",
    async (routes) => {
      const objects = render(full, { routes, ingressClass: "nginx" });
      const faults = await Promise.all(objects.map((object) => findKubernetesFaults({ ...object })));
      expect(faults.flat()).toEqual([]);
    },
  );

  test("gives the Deployment limits, pod fields, labels and the sidecar", () => {
    const deployment = render(full, { generation: 2 }).find((object) => object.kind === "Deployment");
    expect(deployment).toMatchObject({
      metadata: {
        name: "hello-00002",
        labels: { "sluice.dev/service": "hello", "serving.knative.dev/revision": "hello-00002" },
        annotations: {
          "sluice.dev/enabled": "true",
          "sluice.dev/container-concurrency": "3",
          "sluice.dev/timeout-seconds": "60",
        },
      },
      spec: {
        progressDeadlineSeconds: 120,
        selector: { matchLabels: { "serving.knative.dev/revision": "hello-00002" } },
        template: {
          metadata: {
            labels: { app: "hello-00002", team: "a", "sluice.dev/inject": "true" },
            annotations: { "autoscaling.knative.dev/max-scale": "5" },
          },
          spec: {
            enableServiceLinks: false,
            serviceAccountName: "robot",
            volumes: [{ name: "v", emptyDir: {} }],
            containers: [
              {
                name: "user-container",
                image: "app:1",
                ports: [{ name: "h2c", containerPort: 9000 }],
                readinessProbe: { exec: { command: ["ls"] } },
                livenessProbe: { httpGet: { path: "/live", port: 9000 } },
                resources: { limits: { memory: "64Mi" } },
                env: [
                  { name: "PORT", value: "9000" },
                  { name: "K_SERVICE", value: "hello" },
                  { name: "K_CONFIGURATION", value: "hello" },
                  { name: "K_REVISION", value: "hello-00002" },
                ],
              },
              { name: "user-container-1", image: "helper:1" },
              { name: "queue-proxy", image: options.image },
            ],
          },
        },
      },
    });
    expect(JSON.stringify(deployment)).not.toContain("colour");
  });

  test("names what it leaves out", () => {
    expect(renderManifest(full, options).warnings.map(formatProblem)).toEqual([
      "Service prod/hello: spec.template.spec.containers[0].colour: is not a known field of a container and is left out",
    ]);
  });

  test("gives the service, and each tag, a Service without a selector, and the split as an annotation", () => {
    const services = render(full, { generation: 2 }).filter((object) => object.kind === "Service");
    expect(services.map((service) => service.metadata.name)).toEqual(["hello", "new-hello"]);
    expect(JSON.parse(services[0]?.metadata.annotations["sluice.dev/traffic"] ?? "")).toEqual([
      { revision: "hello-00002", percent: 90 },
      { revision: "hello-00001", percent: 10 },
      { revision: "hello-00002", percent: 0, tag: "new" },
    ]);
    for (const service of services) {
      expect(service.metadata.labels).toMatchObject({ "sluice.dev/service": "hello" });
      expect(service.spec).not.toHaveProperty("selector");
    }
  });

  test("leads each public host to the activators", () => {
    const ingress = render(full, { routes: "ingress", ingressClass: "nginx" }).at(-1);
    expect(ingress).toMatchObject({
      kind: "Ingress",
      metadata: { namespace: "sluice-system" },
      spec: { ingressClassName: "nginx" },
    });
    const rules = ingress?.spec["rules"] as { host: string }[];
    const hosts = ["hello.prod.example.com", "new-hello.prod.example.com", "hello.example.org"];
    expect(rules.map((rule) => rule.host)).toEqual(hosts);
    expect(render(full, { routes: "gateway" }).at(-1)).toMatchObject({
      kind: "HTTPRoute",
      spec: { hostnames: hosts, parentRefs: [{ name: "sluice", namespace: "sluice-system" }] },
    });
  });

  test("names revisions so that the same template has the same name, and another never has it", () => {
    const nameOf = (text: string): string | undefined =>
      render(text).find((object) => object.kind === "Deployment")?.metadata.name;
    expect(nameOf(full)).toMatch(/^hello-[0-9a-f]{8}$/);
    expect(nameOf(full)).toBe(nameOf(full.replace("# ", "")));
    expect(nameOf(full)).not.toBe(nameOf(full.replace("app:1", "app:2")));
    expect(nameOf(full.replace("      labels: {team", "      name: hello-blue\n      labels: {team"))).toBe(
      "hello-blue",
    );
  });

  test("has the API server refuse another template under a name that is taken: selectors cannot change", () => {
    const selectorOf = (text: string): unknown =>
      render(text, { generation: 1 }).find((object) => object.kind === "Deployment")?.spec["selector"];
    expect(selectorOf(full)).not.toEqual(selectorOf(full.replace("app:1", "app:2")));
    const upgraded = render(full, { generation: 1, image: "registry.example/sidecar:2" });
    expect(upgraded.find((object) => object.kind === "Deployment")?.spec["selector"]).toEqual(
      selectorOf(full),
    );
    expect(upgraded.find((object) => object.kind === "Deployment")).toMatchObject({
      spec: { template: { metadata: { labels: (selectorOf(full) as { matchLabels: object }).matchLabels } } },
    });
  });

  test("makes Deployments that are read back as the same revision", () => {
    const [knative] = readManifest(full, { platform: "kubernetes" }).workloads;
    const text = renderManifest(full, options).text.replaceAll("sluice.dev/original", "x");
    const back = readManifest(text, { platform: "kubernetes" });
    expect(back.problems.map(formatProblem)).toEqual([]);
    const [deployment] = back.workloads;
    expect(deployment?.origin).toBe("deployment");
    for (const field of ["containerConcurrency", "timeouts", "protocol", "appPort"] as const) {
      expect(deployment?.template[field]).toEqual(knative?.template[field]);
    }
  });

  test("passes objects of other kinds and plain Deployments through", () => {
    const plain =
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, annotations: {sluice.dev/enabled: "true"}}\nspec: {template: {spec: {containers: [{name: a, image: b, ports: [{containerPort: 1}]}]}}}';
    const objects = render(`${full}---\n${plain}`);
    expect(objects.map((object) => object.kind)).toEqual([
      "ConfigMap",
      "Deployment",
      "Service",
      "Service",
      "Deployment",
    ]);
  });

  test("renders nothing when anything is refused", () => {
    const result = renderManifest(
      full.replace("containerConcurrency: 3", "containerConcurrency: 2000"),
      options,
    );
    expect(result).toMatchObject({ objects: [], text: "" });
    expect(result.problems).toHaveLength(1);
  });
});
