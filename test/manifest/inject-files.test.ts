import { formatProblem, injectSidecar, removeSidecar } from "@sluice/manifest";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { describe, expect, test } from "vitest";
import { injectText, removeFromText } from "../support/inject-text.ts";
import { findKubernetesFaults } from "../support/kubernetes-schema.ts";

/** Manifests as people and tools write them. */
const folder = join(import.meta.dirname, "fixtures", "inject");
const options = { image: "registry.example/sluice:1", all: true };

const files = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")] as const);
/** The same with the line ends of Windows, without an end of the last line, and after a byte order mark. */
const texts = files.flatMap(([name, text]) => [
  [name, text] as const,
  [`${name} with CRLF`, text.replaceAll("\n", "\r\n")] as const,
  [`${name} without a last line end`, text.trimEnd()] as const,
  [`${name} with a byte order mark`, `\uFEFF${text}`] as const,
]);

interface Pod {
  containers: { name: string; [field: string]: unknown }[];
  [field: string]: unknown;
}

interface Loaded {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string> };
  spec: { template: { metadata: { labels: Record<string, string> }; spec: Pod }; [field: string]: unknown };
  items?: Loaded[];
}

/** As Kubernetes' own tools read them. */
function load(text: string): Loaded[] {
  return parseAllDocuments(text, { version: "1.1" })
    .map((document) => document.toJS() as Loaded | null)
    .flatMap((object) => object?.items ?? object ?? []);
}

function inject(text: string): string {
  const result = injectText(text, options);
  expect(result.problems.map(formatProblem)).toEqual([]);
  return result.text;
}

function podOf(text: string, name: string): Pod {
  const found = load(text).find((object) => object.kind === "Deployment" && object.metadata.name === name);
  if (found === undefined) throw new Error(`there is no Deployment ${name}`);
  return found.spec.template.spec;
}

function fileText(name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

describe.each(texts)("%s", (_name, text) => {
  test("is injected into what Kubernetes takes", async () => {
    // Keys of authors' own, that anchors stand in.
    const known = load(inject(text))
      .filter(({ kind }) => kind === "Deployment" || kind === "Service")
      .map((object) => Object.fromEntries(Object.entries(object).filter(([key]) => !key.startsWith("x-"))));
    expect((await Promise.all(known.map(findKubernetesFaults))).flat()).toEqual([]);
  });

  test("is the same when it is injected twice, and itself when that is undone", () => {
    const injected = inject(text);
    expect(injected).not.toBe(text);
    expect(inject(injected)).toBe(injected);
    expect(removeFromText(injected).text).toBe(text);
  });

  test("has the same selectors and objects afterwards", () => {
    const [before, after] = [load(text), load(inject(text))];
    expect(after.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(
      before.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    );
    const selectorsOf = (objects: Loaded[]): unknown =>
      objects.flatMap(({ kind, spec }) => (kind === "Deployment" ? [spec["selector"]] : []));
    expect(selectorsOf(after)).toEqual(selectorsOf(before));
  });

  test("is undone also after the cluster printed it in its own layout", () => {
    const printed = JSON.stringify(
      { apiVersion: "v1", kind: "List", items: load(inject(text)) },
      undefined,
      4,
    );
    const undone = removeFromText(printed);
    expect(undone.problems).toEqual([]);
    expect(load(undone.text)).toEqual(load(text));
  });
});

describe("a pod with everything", () => {
  const before = podOf(fileText("everything.yaml"), "everything");
  const after = podOf(inject(fileText("everything.yaml")), "everything");

  test("keeps all of it but the readiness probe of the container that takes requests", () => {
    const { containers, terminationGracePeriodSeconds, ...rest } = after;
    const { containers: former, ...others } = before;
    expect(rest).toEqual(others);
    expect(terminationGracePeriodSeconds).toBe(300);
    const drain = { httpGet: { path: "/wait-for-drain", port: 8022 } };
    const [exporter, app, sidecar, ...more] = containers;
    expect(exporter).toEqual({ ...former[0], lifecycle: { preStop: drain } });
    const { readinessProbe, lifecycle, ...app0 } = former[1] ?? { name: "", lifecycle: {} };
    expect(app).toEqual({ ...app0, lifecycle: { ...(lifecycle as object), preStop: drain } });
    expect(readinessProbe).toBeDefined();
    expect(sidecar?.name).toBe("queue-proxy");
    expect(more).toEqual([]);
  });

  test("has its probe moved, with the port's number and everything that it asks with", () => {
    const env = after.containers[2]?.["env"] as { name: string; value?: string }[];
    const probe = env.find(({ name }) => name === "SERVING_READINESS_PROBE")?.value ?? "";
    expect(JSON.parse(probe)).toEqual({
      httpGet: {
        path: "/ready",
        port: 8080,
        host: "127.0.0.1",
        scheme: "HTTP",
        httpHeaders: [{ name: "Host", value: "example.com" }],
      },
      periodSeconds: 3,
      timeoutSeconds: 2,
    });
  });

  test("has a sidecar that is not root, although the pod is", () => {
    expect(after.containers[2]?.["securityContext"]).toMatchObject({ runAsNonRoot: true, runAsUser: 65_532 });
  });
});

test("a mesh's own container is not taken for the app, whose sidecar follows the app's port", () => {
  const { containers } = podOf(inject(fileText("mesh.yaml")), "mesh");
  const env = containers[2]?.["env"] as { name: string; value?: string }[];
  expect(env.find(({ name }) => name === "USER_PORT")?.value).toBe("3000");
  expect(containers[0]).toHaveProperty("readinessProbe");
});

test("other kinds of workload are left alone, and one that opted in is told why", () => {
  const text = fileText("mixed-kinds.yaml");
  const result = injectText(text, { image: "i" });
  expect(result.changed).toEqual(["Deployment default/web"]);
  expect(result.warnings.map(formatProblem)).toEqual([
    'StatefulSet default/db: metadata.annotations[sluice.dev/enabled]: has no meaning here: only Deployments of apps/v1 are scaled (found "true")',
  ]);
  const marker = "---\n# The only one";
  expect(result.text.slice(0, result.text.indexOf(marker))).toBe(text.slice(0, text.indexOf(marker)));
});

test("labels that an anchor shares with the selector change in the pods alone", () => {
  const [deployment] = load(inject(fileText("shared-labels.yaml")));
  expect(deployment?.spec["selector"]).toEqual({ matchLabels: { app: "b" } });
  expect(deployment?.metadata.labels).toEqual({ app: "b" });
  expect(deployment?.spec.template.metadata.labels).toEqual({ app: "b", "sluice.dev/inject": "true" });
});

test("a liveness probe that is an alias of the readiness probe stays what it was", () => {
  const { containers } = podOf(inject(fileText("shared-probe.yaml")), "b");
  expect(containers[0]?.["livenessProbe"]).toEqual({ httpGet: { path: "/", port: "http" } });
  expect(containers[0]).not.toHaveProperty("readinessProbe");
});

test("files of a folder are read together, and what is no object of Kubernetes passes through", () => {
  const [deployment = "", service = ""] = fileText("shared-probe.yaml").split(/^(?=---\n)/m);
  const others =
    "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n---\n- a list\n";
  const sources = [deployment, others, service].map((text, index) => ({ text, name: `${index}.yaml` }));
  const result = injectSidecar(sources, options);
  expect(result.problems).toEqual([]);
  expect(result.changed).toEqual(["Deployment default/b", "Service default/b"]);
  expect(result.texts[1]).toBe(others);
  expect(load(result.texts[2] ?? "")[0]?.spec).not.toHaveProperty("selector");
  const injected = result.texts.map((text, index) => ({ text, name: `${index}.yaml` }));
  expect(removeSidecar(injected).texts).toEqual([deployment, others, service]);
});
