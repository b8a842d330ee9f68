import { readFileSync } from "node:fs";
import { join } from "node:path";
import { injectSidecar, names, renderManifest } from "@sluice/manifest";
import { parseAllDocuments, stringify } from "yaml";
import type { Json } from "../../../packages/scaler/src/api-object.ts";
import { image, systemNamespace, type TestCluster } from "./test-cluster.ts";

const fixtures = join(import.meta.dirname, "..", "..", "manifest", "fixtures");
const programs = join(import.meta.dirname, "..", "programs");

/** A container of our own image, whose Node runs a program of the tests: no other image is needed. */
export function toProgram(name: string, variables: Readonly<Record<string, string>> = {}): Json {
  return {
    name,
    image,
    command: ["/usr/local/bin/node"],
    args: ["--input-type=module", "--eval", readFileSync(join(programs, `${name}.mjs`), "utf8")],
    env: Object.entries(variables).map(([key, value]) => ({ name: key, value })),
    ports: [{ containerPort: 8080 }],
    readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
  };
}

export interface AppFacts {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Changes the template, as a new version does. */
  readonly version?: string;
}

/** Of these tests: quick windows, ten requests a pod, and no reserve beyond that. */
export const quick = {
  [names.enabled]: "true",
  "autoscaling.knative.dev/target": "10",
  "autoscaling.knative.dev/target-utilization-percentage": "100",
  "autoscaling.knative.dev/window": "10s",
} as const;

/** A Deployment as its author wrote it, without a sidecar. */
export function toApp(name: string, facts: AppFacts = {}): Json {
  const { annotations = {}, labels = {}, version = "1" } = facts;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, annotations },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name, ...labels }, annotations: { version } },
        spec: { containers: [toProgram("app")] },
      },
    },
  };
}

export function toAppService(name: string): Json {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
  };
}

/** What `sluice inject` makes of a file with these objects. */
export function inject(...objects: readonly Json[]): Json[] {
  const text = objects.map((object) => stringify(object)).join("---\n");
  const { texts, problems } = injectSidecar([{ text, name: "test" }], { image });
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return texts.flatMap((injected) => parseAllDocuments(injected).map((document) => document.toJS() as Json));
}

/** What `sluice render` makes of one of the article's manifests, with a short window; the revision is `{name}-00001`. */
export function renderArticle(cluster: TestCluster, name: string): readonly Json[] {
  const manifest = readFileSync(join(fixtures, `${name}.yaml`), "utf8")
    .replace("namespace: default", `namespace: ${cluster.namespace}`)
    .replace(
      'autoscaling.knative.dev/target: "10"',
      'autoscaling.knative.dev/target: "10"\n        autoscaling.knative.dev/target-utilization-percentage: "100"\n        autoscaling.knative.dev/window: 10s',
    );
  const { objects, problems } = renderManifest(manifest, {
    image,
    generation: 1,
    domains: ["example.com"],
    routes: "none",
    systemNamespace,
    gateway: `${systemNamespace}/sluice`,
  });
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return objects;
}
