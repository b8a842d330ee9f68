import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { KubeConfig } from "@kubernetes/client-node";
import { names, renderManifest } from "@sluice/manifest";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiClient, mergePatch } from "../../packages/scaler/src/api-client.ts";
import { ApiError } from "../../packages/scaler/src/api-error.ts";
import { jsonOf, listOf, textOf, type Json } from "../../packages/scaler/src/api-object.ts";
import { waitUntil } from "../support/wait-until.ts";

/**
 * The whole path on a real cluster in which Sluice is installed (docs/kubernetes.md says how). Everything is made in a
 * namespace of its own, which is deleted in the end; the one thing it touches outside is the scaler's pod, which it kills
 * because that is what one of the tests is about.
 */
const { KUBECONFIG, SLUICE_TEST_GATEWAY, SLUICE_TEST_SIDECAR_IMAGE } = process.env;
const missing =
  KUBECONFIG === undefined
    ? "KUBECONFIG is not set"
    : SLUICE_TEST_GATEWAY === undefined
      ? "SLUICE_TEST_GATEWAY is not set: http://address of the Service sluice-gateway, as seen from here"
      : undefined;

const fixtures = join(import.meta.dirname, "..", "manifest", "fixtures");
const systemNamespace = "sluice-system";
const namespace = `sluice-test-${randomBytes(4).toString("hex")}`;
const coldMs = 120_000;
const scaleMs = 180_000;
const idleMs = 240_000;

test.for(missing === undefined ? [] : [missing])("no real cluster is tested: %s", (reason, { skip }) => {
  process.stderr.write(`no real cluster is tested: ${reason}\n`);
  skip(reason);
  expect.unreachable();
});

describe.each(missing === undefined ? ["on a cluster"] : [])("%s", () => {
  let client: ApiClient;

  const collections: Readonly<Record<string, string>> = {
    Deployment: `/apis/apps/v1/namespaces/${namespace}/deployments`,
    Service: `/api/v1/namespaces/${namespace}/services`,
  };

  async function apply(object: Json): Promise<void> {
    const metadata = { ...jsonOf(object["metadata"]), namespace };
    const path = collections[textOf(object["kind"])];
    if (path === undefined) throw new Error(`not expected: ${textOf(object["kind"])}`);
    await client.call("POST", path, { body: { ...object, metadata } });
  }

  /** Applies one of the article's manifests through `render`, with short windows; returns the revision's name. */
  async function applyArticle(name: string): Promise<string> {
    const manifest = readFileSync(join(fixtures, `${name}.yaml`), "utf8")
      .replace("namespace: default", `namespace: ${namespace}`)
      .replace(
        'autoscaling.knative.dev/target: "10"',
        'autoscaling.knative.dev/target: "10"\n        autoscaling.knative.dev/target-utilization-percentage: "100"\n        autoscaling.knative.dev/window: 10s',
      );
    const { objects, problems } = renderManifest(manifest, {
      image: SLUICE_TEST_SIDECAR_IMAGE ?? "sluice/sluice:0.1.0",
      generation: 1,
      domains: ["example.com"],
      routes: "none",
      systemNamespace,
      gateway: `${systemNamespace}/sluice`,
    });
    expect(problems).toEqual([]);
    for (const object of objects) await apply(object);
    return `${name}-00001`;
  }

  function call(service: string, path = "/"): Promise<{ status: number | undefined; body: string }> {
    const url = new URL(path, SLUICE_TEST_GATEWAY);
    const headers = { host: `${service}.${namespace}.example.com` };
    return new Promise((resolve, reject) => {
      const sent = request(url, { headers, agent: false }, (response) => {
        text(response).then((body) => resolve({ status: response.statusCode, body }), reject);
      });
      sent.on("error", reject);
      sent.end();
    });
  }

  async function podsOf(revision: string): Promise<number> {
    const scale = jsonOf(await client.call("GET", `${collections["Deployment"]}/${revision}/scale`));
    return Number(jsonOf(scale["status"])["replicas"] ?? 0);
  }

  async function waitForPods(revision: string, count: number, limitMs: number): Promise<void> {
    await waitUntil(`${count} pods of ${revision}`, async () => (await podsOf(revision)) === count, limitMs);
  }

  /** Calls from `clients` at once, each as soon as its last was answered, until `isOver`. Returns the statuses that came. */
  async function load(
    service: string,
    path: string,
    clients: number,
    isOver: () => boolean,
  ): Promise<Set<number | undefined>> {
    const statuses = new Set<number | undefined>();
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (!isOver()) statuses.add((await call(service, path)).status);
      }),
    );
    return statuses;
  }

  async function killWriter(): Promise<void> {
    const lease = jsonOf(
      await client.call(
        "GET",
        `/apis/coordination.k8s.io/v1/namespaces/${systemNamespace}/leases/sluice-scaler`,
      ),
    );
    const [pod = ""] = textOf(jsonOf(lease["spec"])["holderIdentity"]).split("_");
    await client.call("DELETE", `/api/v1/namespaces/${systemNamespace}/pods/${pod}?gracePeriodSeconds=0`);
  }

  beforeAll(async () => {
    const config = new KubeConfig();
    config.loadFromDefault();
    client = new ApiClient(config);
    await client.call("POST", "/api/v1/namespaces", {
      body: { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    });
  });

  afterAll(async () => {
    await client.call("DELETE", `/api/v1/namespaces/${namespace}`).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    });
    await client.close();
  });

  test("the article's first service goes to zero, and its first request is held and answered", async () => {
    const revision = await applyArticle("helloworld-go");
    await waitForPods(revision, 0, idleMs);
    const answer = await waitUntil(
      "an answer",
      async () => {
        const found = await call("helloworld-go");
        return found.status !== 404 && found;
      },
      coldMs,
    );
    expect(answer).toMatchObject({
      status: 200,
      body: expect.stringContaining("helloworld-go-07") as string,
    });
  });

  test("the article's second service goes to five pods under 50 clients, and back, without a failure", async () => {
    const revision = await applyArticle("autoscale-go");
    await waitUntil("a route", async () => (await call("autoscale-go", "/?sleep=1")).status === 200, coldMs);
    let isOver = false;
    const statuses = load("autoscale-go", "/?sleep=100&prime=10000&bloat=5", 50, () => isOver);
    await waitForPods(revision, 5, scaleMs);
    isOver = true;
    expect([...(await statuses)]).toEqual([200]);
    await waitForPods(revision, 0, idleMs);
  });

  test("a scaler that is killed while it scales loses nothing", async () => {
    let isOver = false;
    const statuses = load("autoscale-go", "/?sleep=100&prime=10000&bloat=5", 50, () => isOver);
    await waitUntil("the first pods", async () => (await podsOf("autoscale-go-00001")) > 0, coldMs);
    await killWriter();
    await waitForPods("autoscale-go-00001", 5, scaleMs);
    isOver = true;
    expect([...(await statuses)]).toEqual([200]);
  });

  test("the webhook gives the sidecar to pods that ask, and none to others", async () => {
    const toDeployment = (name: string, labels: Record<string, string>): Json => ({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, annotations: { [names.enabled]: "true", "autoscaling.knative.dev/min-scale": "1" } },
      spec: {
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name, ...labels } },
          spec: {
            containers: [
              { name: "app", image: "registry.k8s.io/pause:3.10", ports: [{ containerPort: 3000 }] },
            ],
          },
        },
      },
    });
    await apply(toDeployment("asks", { [names.inject]: "true" }));
    await apply(toDeployment("plain", {}));
    const containersOf = (name: string): Promise<string[]> =>
      waitUntil(
        `a pod of ${name}`,
        async () => {
          const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=app%3D${name}`;
          const [pod] = listOf(jsonOf(await client.call("GET", path))["items"]);
          return (
            pod && listOf(jsonOf(pod["spec"])["containers"]).map((container) => textOf(container["name"]))
          );
        },
        coldMs,
      );
    expect(await containersOf("asks")).toEqual(["app", "queue-proxy"]);
    expect(await containersOf("plain")).toEqual(["app"]);
  });

  test("a scale that a person sets is put back to the decision", async () => {
    const path = `${collections["Deployment"]}/helloworld-go-00001/scale`;
    await client.call("PATCH", path, { body: { spec: { replicas: 3 } }, contentType: mergePatch });
    await waitForPods("helloworld-go-00001", 0, idleMs);
    const events = listOf(
      jsonOf(await client.call("GET", `/api/v1/namespaces/${namespace}/events`))["items"],
    );
    expect(events.map((event) => event["reason"])).toContain("ScaleOverridden");
  });
});
