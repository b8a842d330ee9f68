import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildDeployManifest } from "../../scripts/deploy-manifest.ts";
import { parseDeployed, podOf, readDeployed, type Deployed } from "../support/deployed.ts";
import { findKubernetesFaults } from "../support/kubernetes-schema.ts";

const root = join(import.meta.dirname, "..", "..");
const deploy = join(root, "deploy");

function readObjects(file: string): Deployed[] {
  return parseDeployed(readFileSync(file, "utf8"));
}

function listFiles(folder: string, extension: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(extension))
    .map((name) => join(folder, name));
}

const objects = readDeployed();
const workloads = objects.filter((object) => object.kind === "Deployment");

describe("deploy/sluice.yaml", () => {
  test("is what the script builds from the base", () => {
    expect(readFileSync(join(deploy, "sluice.yaml"), "utf8")).toBe(buildDeployManifest(root));
  });

  test("holds every file of the base", () => {
    const files = listFiles(join(deploy, "base"), ".yaml").filter(
      (file) => !file.endsWith("kustomization.yaml"),
    );
    const inBase = files.flatMap(readObjects).map((object) => `${object.kind} ${object.metadata.name}`);
    expect(objects.map((object) => `${object.kind} ${object.metadata.name}`).toSorted()).toEqual(
      inBase.toSorted(),
    );
  });

  test.each(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object] as const))(
    "%s is what Kubernetes' schema knows",
    async (_name, object) => {
      expect(await findKubernetesFaults(object)).toEqual([]);
    },
  );

  test.each(
    ["gateway/gateway.yaml", "ingress/ingress.yaml"].flatMap((name) =>
      readObjects(join(deploy, "examples", name)).map(
        (object) => [`${object.kind} ${object.metadata.name}`, object] as const,
      ),
    ),
  )("the example %s leads to a Service and port that exist", async (_name, object) => {
    expect(await findKubernetesFaults(object)).toEqual([]);
    const gateway = objects.find((entry) => entry.metadata.name === "sluice-gateway");
    expect(gateway).toMatchObject({ spec: { ports: [{ name: "http", port: 80, targetPort: "public" }] } });
    const named = [...JSON.stringify(object).matchAll(/"name":"(sluice-[a-z]+)"/g)].map((match) => match[1]);
    expect(named.every((name) => name === "sluice-gateway")).toBe(true);
  });
});

describe("every process", () => {
  test.each(workloads.map((object) => [object.metadata.name, object] as const))(
    "%s runs without root, rights of the kernel, or a writable disk, and with limits",
    (_name, object) => {
      const pod = podOf(object);
      expect(pod.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: "RuntimeDefault" },
      });
      for (const container of pod.containers) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
        expect(Object.keys(container.resources.requests).toSorted()).toEqual(["cpu", "memory"]);
        expect(container.resources.limits).toHaveProperty("memory");
      }
    },
  );

  test("but the scaler has no rights at the API, and no token to have them with", () => {
    const bound = objects
      .filter((object) => object.kind.endsWith("RoleBinding"))
      .flatMap((object) => (object["subjects"] as { name: string }[]).map((subject) => subject.name));
    expect(new Set(bound)).toEqual(new Set(["sluice-scaler"]));
    const withToken = workloads.filter((object) => podOf(object).automountServiceAccountToken);
    expect(withToken.map((object) => object.metadata.name)).toEqual(["sluice-scaler"]);
  });

  test.each(workloads.map((object) => [object.metadata.name, object] as const))(
    "%s reads only settings that exist",
    async (name, object) => {
      const service = name.replace("sluice-", "");
      const settings = await readVariables(service);
      const env = podOf(object).containers.flatMap((container) => container.env);
      // Downward values that a process does not ask for do no harm; the C library has variables of its own.
      const downward = ["POD_NAME", "POD_NAMESPACE", "POD_IP"];
      const given = env
        .map((entry) => entry.name)
        .filter((variable) => !downward.includes(variable) && !variable.startsWith("MALLOC_"));
      expect(settings).toEqual(expect.arrayContaining(given));
      const stored = objects.find((entry) => entry.metadata.name === "sluice-settings")?.data;
      const referred = env.flatMap((entry) => entry.valueFrom?.configMapKeyRef?.key ?? []);
      expect(Object.keys(stored ?? {})).toEqual(expect.arrayContaining(referred));
    },
  );

  test("has a disruption budget, and a network policy that names its ports", () => {
    const namesOf = (kind: string): string[] =>
      objects.filter((object) => object.kind === kind).map((object) => object.metadata.name);
    const all = workloads.map((object) => object.metadata.name).toSorted();
    expect(namesOf("PodDisruptionBudget").toSorted()).toEqual(all);
    expect(namesOf("NetworkPolicy").toSorted()).toEqual(all);
    for (const object of workloads) {
      const policy = objects.find(
        (entry) => entry.kind === "NetworkPolicy" && entry.metadata.name === object.metadata.name,
      );
      const ports = podOf(object).containers.flatMap((container) => container.ports.map((port) => port.name));
      const ingress = JSON.stringify(policy?.["spec"]);
      for (const port of ports) expect(ingress).toContain(`"port":"${port}"`);
    }
  });
});

async function readVariables(service: string): Promise<string[]> {
  const loaded = (await import(`../../packages/${service}/src/index.ts`)) as Record<string, unknown>;
  const settings = loaded[`${service}Settings`] as Record<string, { variable: string }>;
  return Object.values(settings).map((setting) => setting.variable);
}

describe("the dashboard", () => {
  const dashboard = JSON.parse(readFileSync(join(deploy, "monitoring", "dashboard.json"), "utf8")) as {
    panels: { title: string; targets: { expr: string; legendFormat: string }[] }[];
  };
  const source = ["activator", "aggregator", "scaler", "sidecar"]
    .flatMap((name) => listFiles(join(root, "packages", name, "src"), ".ts"))
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");

  // Printed from the processes' own answers, which another test compares.
  const table = readFileSync(join(root, "docs", "metrics.md"), "utf8");
  const types = new Map(
    [...table.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, name = "", type = ""]) => [name, type]),
  );

  test.each(dashboard.panels.map((panel) => [panel.title, panel] as const))(
    "%s asks for metrics and labels that the processes have",
    (_title, panel) => {
      for (const { expr, legendFormat } of panel.targets) {
        const metrics = [...expr.matchAll(/\b(?:sluice|kn)_[a-z_]+\b(?=[[)])/g)].map(([name]) => name);
        expect(metrics.length).toBeGreaterThan(0);
        for (const name of metrics) {
          const histogram = types.get(name.replace(/_(?:bucket|sum|count)$/, ""));
          const type = types.get(name) ?? histogram;
          expect(["gauge", "counter", "histogram"]).toContain(type);
          // What only grows is shown as a rate.
          expect(expr).toContain(type === "gauge" ? name : `rate(${name}[`);
        }
        const labels = [...legendFormat.matchAll(/{{(\w+)}}/g)].map((match) => match[1] ?? "");
        for (const label of labels) {
          expect(source).toContain(`"${label}"`);
          expect(expr).toContain(label);
        }
      }
    },
  );
});
