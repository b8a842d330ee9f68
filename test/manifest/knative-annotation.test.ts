import {
  formatProblem,
  readManifest,
  renderManifest,
  type RenderOptions,
  type RenderResult,
} from "@sluice/manifest";
import { describe, expect, test } from "vitest";
import { injectText } from "../support/inject-text.ts";

const options: RenderOptions = {
  image: "sidecar:1",
  domains: ["example.com"],
  routes: "none",
  systemNamespace: "sluice-system",
  gateway: "sluice-system/sluice",
};

function render(own: string, template = ""): RenderResult {
  return renderManifest(
    `apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello, annotations: {${own}}}
spec:
  template:
    metadata: {annotations: {${template}}}
    spec: {containers: [{image: hello}]}
`,
    options,
  );
}

function findIn(result: RenderResult, kind: string): { metadata: { annotations?: object }; spec: object } {
  return result.objects.find((object) => object["kind"] === kind) as never;
}

describe("annotations", () => {
  test("of Knative that nothing here reads are named, those of its servers apart", () => {
    const result = render(
      "serving.knative.dev/rollout-duration: 120s, serving.knative.dev/creator: me, networking.knative.dev/ingress-class: kourier",
      "features.knative.dev/queueproxy-podinfo: Enabled, autoscaling.knative.dev/minscale: '2', client.knative.dev/user-image: a",
    );
    expect(result.problems).toEqual([]);
    expect(new Set(result.warnings.map(formatProblem))).toEqual(
      new Set([
        'Service default/hello: metadata.annotations[serving.knative.dev/rollout-duration]: is not supported and has no effect (found "120s")',
        'Service default/hello: metadata.annotations[networking.knative.dev/ingress-class]: is not supported and has no effect (found "kourier")',
        'Service default/hello: spec.template.metadata.annotations[features.knative.dev/queueproxy-podinfo]: is not supported and has no effect (found "Enabled")',
        'Service default/hello: spec.template.metadata.annotations[autoscaling.knative.dev/minscale]: is not an annotation that scaling knows and has no effect (found "2")',
      ]),
    );
  });

  test("for scaling on the Service are refused, as Knative does, for there they would do nothing", () => {
    expect(render('autoscaling.knative.dev/min-scale: "1"').problems.map(formatProblem)).toEqual([
      'Service default/hello: metadata.annotations[autoscaling.knative.dev/min-scale]: must stand under spec.template.metadata.annotations (found "1")',
    ]);
  });

  test("of another autoscaler's class are taken, and it is said what that means", () => {
    const result = render("", "autoscaling.knative.dev/class: hpa.autoscaling.knative.dev");
    expect(result.warnings.map(formatProblem)).toEqual([
      'Service default/hello: spec.template.metadata.annotations[autoscaling.knative.dev/class]: leaves the number of pods to somebody else: nothing here makes a HorizontalPodAutoscaler (found "hpa.autoscaling.knative.dev")',
    ]);
  });

  test("of other tools stay on the Service, without kubectl's copy of the whole", () => {
    const result = render(
      "argocd.argoproj.io/sync-wave: '1', kubectl.kubernetes.io/last-applied-configuration: '{}', sluice.dev/hosts: a.example.org",
    );
    expect(findIn(result, "Service").metadata.annotations).toEqual({
      "argocd.argoproj.io/sync-wave": "1",
      "sluice.dev/hosts": "a.example.org",
      "sluice.dev/traffic": expect.any(String) as string,
    });
  });
});

const resources =
  "queue.sidecar.serving.knative.dev/cpu-resource-request: 50m, queue.sidecar.serving.knative.dev/memory-resource-limit: 1Gi, queue.sidecar.serving.knative.dev/ephemeral-storage-resource-limit: 10M";

describe("resources of the sidecar", () => {
  const expected = {
    requests: { cpu: "50m", memory: "96Mi" },
    limits: { memory: "1Gi", "ephemeral-storage": "10M" },
  };

  test("are what Knative's annotations say, and what was measured where they say nothing", () => {
    const result = render("", resources);
    expect(result.warnings).toEqual([]);
    expect(JSON.stringify(findIn(result, "Deployment"))).toContain(
      JSON.stringify(expected.limits).slice(1, -1),
    );
    const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, annotations: {sluice.dev/enabled: "true", ${resources}}}
spec: {selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: shop, image: shop, ports: [{containerPort: 3000}]}]}}}
`;
    const injected = readManifest(injectText(deployment, { image: "i" }).text, { platform: "kubernetes" });
    const containers = injected.workloads[0]?.template.podSpec["containers"] as { resources?: object }[];
    expect(containers[1]?.resources).toEqual(expected);
  });

  test("that are no quantities are refused", () => {
    const result = render("", "queue.sidecar.serving.knative.dev/cpu-resource-request: much");
    expect(result.problems.map(formatProblem)).toEqual([
      'Service default/hello: spec.template.metadata.annotations[queue.sidecar.serving.knative.dev/cpu-resource-request]: must be a quantity such as 100m or 128Mi (found "much")',
    ]);
  });
});
