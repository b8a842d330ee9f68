import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseAllDocuments } from "yaml";
import { describe, expect, test } from "vitest";
import { badManifests } from "../support/bad-manifests.ts";
import { findKubernetesFaults } from "../support/kubernetes-schema.ts";

const root = join(import.meta.dirname, "..", "..");
const main = join(root, "packages", "cli", "src", "main.ts");
const fixtures = join(root, "test", "manifest", "fixtures");

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function sluice(args: readonly string[], input = ""): Promise<Run> {
  const child = spawn(process.execPath, [main, ...args]);
  child.stdin.end(input);
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { code, stdout, stderr };
}

function objectsOf(stream: string): Record<string, unknown>[] {
  return parseAllDocuments(stream).map((document) => document.toJS() as Record<string, unknown>);
}

const deployment = `# mine
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  annotations:
    sluice.dev/enabled: "true"
spec:
  selector:
    matchLabels:
      app: shop
  template:
    metadata:
      labels:
        app: shop
    spec:
      containers:
        - name: shop
          image: shop:1
          ports:
            - containerPort: 3000
`;

describe("sluice inject", () => {
  test("reads standard input and prints what kubectl takes; --undo gives the input back", async () => {
    const run = await sluice(["inject", "-f", "-", "--image", "example/sidecar:1"], deployment);
    expect(run).toMatchObject({ code: 0, stderr: "changed: Deployment default/shop\n" });
    expect(run.stdout).toContain("# mine");
    const [object = {}] = objectsOf(run.stdout);
    expect(await findKubernetesFaults(object)).toEqual([]);
    expect(JSON.stringify(object)).toContain("example/sidecar:1");
    const undone = await sluice(["inject", "--undo", "-f", "-"], run.stdout);
    expect(undone).toMatchObject({ code: 0, stdout: deployment });
  });

  test("prints nothing for the next command when anything is refused", async () => {
    const run = await sluice(["inject", "-f", "-"], deployment.replace("3000", "9090"));
    expect(run).toMatchObject({ code: 1, stdout: "" });
    expect(run.stderr).toContain(
      "Deployment default/shop: spec.template.spec.containers[0].ports[0].containerPort: is taken by the sidecar",
    );
    expect(run.stderr).toContain("nothing was changed");
  });
});

describe("input that is refused", () => {
  test.each(badManifests.map(({ title, text, message }) => [title, text, message] as const))(
    "%s: one sentence with object, field, rule and value, and nothing for the next command",
    async (_title, manifest, message) => {
      const run = await sluice(["inject", "-f", "-"], manifest);
      expect(run).toMatchObject({ code: 1, stdout: "" });
      const [said] = run.stderr.split("; mend the manifest");
      expect(said).toBe(message);
      expect(run.stderr).toContain("nothing was changed");
    },
  );
});

describe("sluice render", () => {
  test("turns the article's manifests into objects that kubectl takes", async () => {
    const run = await sluice(["render", "-f", fixtures, "--generation", "1"]);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    const objects = objectsOf(run.stdout);
    expect(
      objects.map((object) => `${String(object["kind"])} ${(object["metadata"] as { name: string }).name}`),
    ).toEqual([
      "Deployment autoscale-go-00001",
      "Service autoscale-go",
      "Deployment helloworld-go-00001",
      "Service helloworld-go",
    ]);
    const faults = await Promise.all(objects.map(findKubernetesFaults));
    expect(faults.flat()).toEqual([]);
  });

  test("says what it leaves out on standard error", async () => {
    const manifest = readFileSync(join(fixtures, "helloworld-go.yaml"), "utf8");
    const run = await sluice(["render", "-f", "-"], `${manifest}  mood: good\n`);
    expect(run.code).toBe(0);
    expect(run.stderr).toBe(
      "warning: Service default/helloworld-go: spec.mood: is not a field of a Service's spec and is left out\n",
    );
  });
});

describe("sluice install", () => {
  test("prints everything with a token of its own each time, and the choices that were made", async () => {
    const runs = await Promise.all([
      sluice(["install", "--image", "registry.example/sluice:2", "--domain", "apps.example.org"]),
      sluice(["install"]),
    ]);
    const [first = [], second = []] = runs.map((run) => objectsOf(run.stdout));
    const tokenOf = (objects: typeof first): unknown =>
      objects.find((object) => (object["metadata"] as { name: string }).name === "sluice-token")?.[
        "stringData"
      ];
    expect(tokenOf(first)).toMatchObject({ token: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    expect(tokenOf(first)).not.toEqual(tokenOf(second));
    expect(runs[0]?.stdout).not.toContain("sluice/sluice:0.1.0");
    expect(runs[0]?.stdout.match(/registry\.example\/sluice:2/g)).toHaveLength(4);
    expect(JSON.stringify(first)).toContain('"domains":"apps.example.org"');
    expect((await Promise.all(first.map(findKubernetesFaults))).flat()).toEqual([]);
  });

  test("keeps the token of an installation that is upgraded, and changes nothing else", async () => {
    const [fresh, kept] = await Promise.all([sluice(["install"]), sluice(["install", "--keep-token"])]);
    const isToken = (object: Record<string, unknown>): boolean =>
      (object["metadata"] as { name: string }).name === "sluice-token";
    expect(objectsOf(kept.stdout).filter(isToken)).toEqual([]);
    expect(objectsOf(kept.stdout)).toEqual(objectsOf(fresh.stdout).filter((object) => !isToken(object)));
  });

  test.each(["*.example.com", "Example.com", "a_b.example.com", "http://a.example"])(
    "refuses %s, which is no domain",
    async (domain) => {
      const run = await sluice(["install", "--domain", domain]);
      expect(run).toMatchObject({ code: 1, stdout: "" });
      expect(run.stderr).toContain(`--domain ${domain} is no domain`);
    },
  );

  test("is taken back by uninstall, which names every object and the webhook first", async () => {
    const [install, uninstall] = await Promise.all([sluice(["install"]), sluice(["uninstall"])]);
    const namesOf = (run: Run): string[] =>
      objectsOf(run.stdout)
        .map((object) => `${String(object["kind"])} ${(object["metadata"] as { name: string }).name}`)
        // The namespace takes it along.
        .filter((name) => name !== "Secret sluice-token");
    expect(namesOf(uninstall)[0]).toBe("MutatingWebhookConfiguration sluice-webhook");
    expect(namesOf(uninstall).at(-1)).toBe("Namespace sluice-system");
    expect(namesOf(uninstall).toSorted()).toEqual(namesOf(install).toSorted());
  });
});
