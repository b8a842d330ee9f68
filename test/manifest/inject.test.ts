import { formatProblem, readManifest } from "@sluice/manifest";
import { parseAllDocuments } from "yaml";
import { describe, expect, test } from "vitest";
import { injectText, removeFromText } from "../support/inject-text.ts";

const image = "registry.example/sluice-sidecar:1";

const shop = `# The shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop # its name
  annotations:
    sluice.dev/enabled: "true"
spec:
  # newest first
  selector:
    matchLabels:
      app: shop
  template:
    metadata:
      labels:
        app: shop
      annotations:
        autoscaling.knative.dev/target: "10"
        sluice.dev/container-concurrency: "20"
    spec:
      containers:
        - name: shop
          image: shop:1 # pinned
          ports:
            - containerPort: 3000
              name: web
          readinessProbe:
            httpGet:
              path: /ready
              port: web
            periodSeconds: 5
          livenessProbe:
            httpGet:
              path: /live
              port: 3000
          env:
            - name: COLOUR
              value: 'red'
        - name: helper
          image: helper:1
          lifecycle:
            preStop:
              exec:
                command: [sleep, "5"]
---
apiVersion: v1
kind: Service
metadata:
  name: shop
spec:
  selector:
    app: shop
  ports:
    - name: http
      port: 80
      targetPort: web # the app
---
# untouched,   with its odd   spacing
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: { "a": 'b' }
`;

function objectsOf(text: string): Record<string, unknown>[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Record<string, unknown>);
}

interface Injected {
  spec: { template: { spec: { containers: Record<string, unknown>[] } } };
}

function containersOf(text: string): Record<string, unknown>[] {
  const [first] = objectsOf(text) as unknown[];
  return (first as Injected).spec.template.spec.containers;
}

function inject(text: string): string {
  const result = injectText(text, { image });
  expect(result.problems.map(formatProblem)).toEqual([]);
  return result.text;
}

describe("injectSidecar", () => {
  test("adds the sidecar with environment, ports and the app's probe, and points the Service at it", () => {
    const result = injectText(shop, { image, environment: { SLUICE_TRUSTED_PEERS: "10.0.0.0/8" } });
    expect(result.changed).toEqual(["Deployment default/shop", "Service default/shop"]);
    const [deployment, service] = objectsOf(result.text);
    expect(deployment).toMatchObject({
      spec: {
        template: {
          metadata: { labels: { app: "shop", "sluice.dev/inject": "true" } },
          spec: {
            terminationGracePeriodSeconds: 300,
            containers: [
              { name: "shop", lifecycle: { preStop: { httpGet: { path: "/wait-for-drain", port: 8022 } } } },
              { name: "helper", lifecycle: { preStop: { exec: { command: ["sleep", "5"] } } } },
              {
                name: "queue-proxy",
                image,
                ports: [
                  { name: "queue-port", containerPort: 8012 },
                  { name: "queue-admin", containerPort: 8022 },
                  { name: "http-autometric", containerPort: 9090 },
                  { name: "http-usermetric", containerPort: 9091 },
                ],
                readinessProbe: {
                  httpGet: { port: 8012, httpHeaders: [{ name: "K-Network-Probe", value: "queue" }] },
                  periodSeconds: 5,
                },
              },
            ],
          },
        },
      },
    });
    const [app, , sidecar] = containersOf(result.text);
    expect(app).not.toHaveProperty("readinessProbe");
    expect(app).toHaveProperty("livenessProbe");
    const env = sidecar?.["env"] as { name: string; value?: string; valueFrom?: unknown }[];
    const valueOf = (name: string): string | undefined => env.find((entry) => entry.name === name)?.value;
    expect(valueOf("USER_PORT")).toBe("3000");
    expect(valueOf("CONTAINER_CONCURRENCY")).toBe("20");
    expect(valueOf("SERVING_REVISION")).toBe("shop");
    expect(valueOf("SLUICE_TRUSTED_PEERS")).toBe("10.0.0.0/8");
    expect(JSON.parse(valueOf("SERVING_READINESS_PROBE") ?? "")).toEqual({
      httpGet: { path: "/ready", port: 3000, host: "127.0.0.1", scheme: "HTTP" },
      periodSeconds: 5,
    });
    expect(env.find((entry) => entry.name === "SERVING_POD_IP")?.valueFrom).toEqual({
      fieldRef: { fieldPath: "status.podIP" },
    });
    expect(service).toMatchObject({
      metadata: { labels: { "sluice.dev/service": "shop" } },
      spec: { ports: [{ name: "http", port: 80, targetPort: 8012 }] },
    });
    expect(service).not.toHaveProperty("spec.selector");
  });

  test("keeps comments, order and quoting, and every other document byte for byte", () => {
    const text = inject(shop);
    for (const kept of [
      "# The shop.",
      "name: shop # its name",
      "# newest first",
      "image: shop:1 # pinned",
      "value: 'red'",
      "# the app",
    ]) {
      expect(text).toContain(kept);
    }
    expect(text.endsWith(shop.slice(shop.indexOf("---\n# untouched")))).toBe(true);
    const [deployment] = objectsOf(text);
    expect(Object.keys(deployment ?? {})).toEqual(["apiVersion", "kind", "metadata", "spec"]);
  });

  test("changes nothing when it is done again, and follows what changed since", () => {
    const once = inject(shop);
    expect(inject(once)).toBe(once);
    const newer = injectText(once, { image: "registry.example/sluice-sidecar:2" }).text;
    expect(newer).toBe(once.replace(image, "registry.example/sluice-sidecar:2"));
  });

  test("is undone to what it was", () => {
    const undone = removeFromText(inject(shop));
    expect(undone.changed).toEqual(["Deployment default/shop", "Service default/shop"]);
    expect(undone.text).toBe(shop);
    expect(removeFromText(shop)).toMatchObject({ text: shop, changed: [] });
  });

  test("leaves the result readable as the same revision", () => {
    const before = readManifest(shop, { platform: "kubernetes" }).workloads[0];
    const after = readManifest(inject(shop), { platform: "kubernetes" }).workloads[0];
    expect(after?.template.appPort).toBe(before?.template.appPort);
    expect(after?.template.containerConcurrency).toBe(20);
    expect(after?.template.serving.readinessProbe?.handler.kind).toBe("http");
  });

  test("leaves a Deployment alone that did not opt in, unless all are meant", () => {
    const text = shop.replace('"true"', '"false"');
    const left = injectText(text, { image });
    expect(left.text).toBe(text);
    expect(left.warnings.map(formatProblem)).toEqual([
      'Deployment default/shop: metadata.annotations[sluice.dev/enabled]: is not "true", so that the Deployment is left alone; set it, or use --all',
    ]);
    const all = injectText(text, { image, all: true });
    expect(all.changed).toContain("Deployment default/shop");
    expect(
      readManifest(all.text, { platform: "kubernetes" }).workloads.map((workload) => workload.name),
    ).toEqual(["shop"]);
    expect(removeFromText(all.text).text).toBe(text);
  });

  test("uses the h2c port for an app that speaks it", () => {
    const text = inject(
      shop
        .replace("name: web", "name: h2c")
        .replaceAll("port: web", "port: h2c")
        .replace("targetPort: web", "targetPort: h2c"),
    );
    const [deployment, service] = objectsOf(text);
    expect(JSON.stringify(deployment)).toContain('{"name":"queue-port","containerPort":8013}');
    expect(service).toMatchObject({ spec: { ports: [{ targetPort: 8013 }] } });
  });

  test("warns of a number of replicas, which every apply would set back", () => {
    const result = injectText(shop.replace("  # newest first", "  replicas: 2"), { image });
    expect(result.warnings.map(formatProblem)).toEqual([
      "Deployment default/shop: spec.replicas: sets the scale back at every apply; leave it out",
    ]);
  });
});

const second = `---
apiVersion: v1
kind: Service
metadata:
  name: other
spec:
  selector: {app: shop}
  ports: [{port: 80, targetPort: 3000}]
`;

describe("input that is refused leaves the text as it is", () => {
  test.each<[string, string, string]>([
    [
      "a Deployment without ports",
      shop.replace("            - containerPort: 3000\n              name: web\n", "            []\n"),
      "Deployment default/shop: spec.template.spec.containers: must name the port that takes requests under ports",
    ],
    [
      "a Deployment with the sidecar's port taken",
      shop.replace("containerPort: 3000", "containerPort: 8012"),
      "Deployment default/shop: spec.template.spec.containers[0].ports[0].containerPort: is taken by the sidecar; choose another than 8012, 8013, 8022, 9090, 9091, 8008 (found 8012)",
    ],
    [
      "a Deployment with hostNetwork",
      shop.replace("      containers:", "      hostNetwork: true\n      containers:"),
      "Deployment default/shop: spec.template.spec.hostNetwork: must not be set: the sidecar's ports would be taken on the node (found true)",
    ],
    [
      "an exec readiness probe",
      shop.replace("httpGet:\n              path: /ready\n              port: web", "exec: {command: [ls]}"),
      "Deployment default/shop: spec.template.spec.containers[0].readinessProbe.exec: cannot be run by the sidecar; use httpGet, tcpSocket or grpc",
    ],
    [
      "a Service without selector",
      shop.replace("  selector:\n    app: shop\n  ports", "  ports"),
      "Service default/shop: spec.selector: must select the pods of Deployment shop; without it nothing says which pods it leads to",
    ],
    [
      "two Services on one Deployment",
      `${shop}${second}`,
      'Deployment default/shop: spec.template.metadata.labels: must be selected by one Service only, because one Service gets the activators\' addresses (found ["shop","other"])',
    ],
    [
      "a headless Service",
      shop.replace(
        "spec:\n  selector:\n    app: shop\n  ports",
        "spec:\n  clusterIP: None\n  selector:\n    app: shop\n  ports",
      ),
      'Service default/shop: spec.clusterIP: must not be None: clients of a headless Service connect to pods, and there are none at zero (found "None")',
    ],
    [
      "a Service with a port that is not the app's",
      shop.replace("    - name: http\n", "    - name: admin\n      port: 9\n    - name: http\n"),
      "Service default/shop: spec.ports[0].targetPort: must be 3000, the port that takes requests; give other ports a Service of their own (found 9)",
    ],
    ["text that is not YAML", "a: [", "manifest, document 1: is not valid YAML"],
  ])("%s", (_title, text, message) => {
    const result = injectText(text, { image });
    expect(result.text).toBe(text);
    expect(result.changed).toEqual([]);
    expect(result.problems.map(formatProblem)).toEqual([expect.stringContaining(message)]);
  });
});
