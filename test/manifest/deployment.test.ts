import { formatProblem, readManifest, type Manifest } from "@sluice/manifest";
import { describe, expect, test } from "vitest";

interface Parts {
  annotations?: string;
  templateAnnotations?: string;
  container?: string;
  pod?: string;
}

function deploymentWith(parts: Parts): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  namespace: prod
  annotations: {sluice.dev/enabled: "true"${parts.annotations === undefined ? "" : `, ${parts.annotations}`}}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata:
      labels: {app: shop}
      annotations: {${parts.templateAnnotations ?? ""}}
    spec:
      ${parts.pod ?? "restartPolicy: Always"}
      containers:
        - {name: shop, image: shop:1, ${parts.container ?? "ports: [{containerPort: 3000}]"}}
`;
}

function read(text: string): Manifest {
  return readManifest(text, { platform: "kubernetes" });
}

describe("a plain Deployment", () => {
  test("that opted in is a service with one revision, both of its name", () => {
    const manifest = read(
      deploymentWith({
        annotations:
          'sluice.dev/container-concurrency: "5", sluice.dev/hosts: "Shop.example.org, *.shop.example.org"',
        templateAnnotations: 'sluice.dev/timeout-seconds: "20", autoscaling.knative.dev/target: "7"',
      }),
    );
    expect(manifest.problems.map(formatProblem)).toEqual([]);
    expect(manifest.workloads).toMatchObject([
      {
        origin: "deployment",
        namespace: "prod",
        name: "shop",
        traffic: [{ revision: "shop", percent: 100 }],
        customHosts: ["shop.example.org", "*.shop.example.org"],
        template: {
          revisionName: "shop",
          containerConcurrency: 5,
          timeouts: { request: 20, responseStart: 0, idle: 0 },
          appPort: 3000,
          annotations: { "autoscaling.knative.dev/target": "7" },
        },
      },
    ]);
  });

  test("that did not opt in is left alone, and that is said", () => {
    const manifest = read(deploymentWith({}).replace('"true"', '"false"'));
    expect(manifest.workloads).toEqual([]);
    expect(manifest.others.map((other) => other.name)).toEqual(["shop"]);
    expect(manifest.warnings.map(formatProblem)).toEqual([
      'Deployment prod/shop: metadata.annotations[sluice.dev/enabled]: is not "true", so that the Deployment is left alone; set it to have it scaled',
    ]);
  });

  test("takes the port that its annotation names", () => {
    const manifest = read(
      deploymentWith({
        annotations: "sluice.dev/port: api",
        container: "ports: [{containerPort: 3000}, {containerPort: 4000, name: api}]",
      }),
    );
    expect(manifest.problems).toEqual([]);
    expect(manifest.workloads[0]?.template.appPort).toBe(4000);
  });

  test.each<[string, Parts, string, string, unknown]>([
    [
      "no ports",
      { container: "ports: []" },
      "spec.template.spec.containers",
      "must name the port that takes requests under ports",
      undefined,
    ],
    [
      "several ports and no choice",
      { container: "ports: [{containerPort: 1}, {containerPort: 2}]" },
      "metadata.annotations[sluice.dev/port]",
      "must say which port takes requests, because the pod has several",
      [1, 2],
    ],
    [
      "a choice that no port answers to",
      { annotations: "sluice.dev/port: admin" },
      "metadata.annotations[sluice.dev/port]",
      "must be the name or number of a container port",
      "admin",
    ],
    [
      "the sidecar's port taken",
      { container: "ports: [{containerPort: 9090}]" },
      "spec.template.spec.containers[0].ports[0].containerPort",
      "is taken by the sidecar; choose another than 8012, 8013, 8022, 9090, 9091, 8008",
      9090,
    ],
    [
      "hostNetwork",
      { pod: "hostNetwork: true" },
      "spec.template.spec.hostNetwork",
      "must not be set: the sidecar's ports would be taken on the node",
      true,
    ],
    [
      "an exec readiness probe",
      { container: "ports: [{containerPort: 3000}], readinessProbe: {exec: {command: [ls]}}" },
      "spec.template.spec.containers[0].readinessProbe.exec",
      "cannot be run by the sidecar; use httpGet, tcpSocket or grpc",
      undefined,
    ],
    [
      "an annotation out of bounds",
      { annotations: 'sluice.dev/container-concurrency: "1001"' },
      "metadata.annotations[sluice.dev/container-concurrency]",
      "must be a whole number from 0 to 1000",
      "1001",
    ],
    [
      "a scaling annotation out of bounds",
      { annotations: 'autoscaling.knative.dev/window: "5s"' },
      "metadata.annotations[autoscaling.knative.dev/window]",
      "must be a duration from 6s to 1h in whole seconds",
      "5s",
    ],
    [
      "scaling annotations that contradict one another",
      { annotations: 'autoscaling.knative.dev/min-scale: "3", autoscaling.knative.dev/max-scale: "2"' },
      "metadata.annotations[autoscaling.knative.dev/min-scale]",
      "must be at most max-scale (2)",
      "3",
    ],
    [
      "a host that is none",
      { annotations: 'sluice.dev/hosts: "a.*.example"' },
      "metadata.annotations[sluice.dev/hosts]",
      "must be host names, separated by commas",
      "a.*.example",
    ],
  ])("with %s is refused with field, rule and value", (_title, parts, field, rule, value) => {
    expect(read(deploymentWith(parts)).problems).toEqual([
      { object: "Deployment prod/shop", field, rule, ...(value === undefined ? {} : { value }) },
    ]);
  });
});
