import { KubeConfig } from "@kubernetes/client-node";
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiClient, mergePatch } from "../../../packages/scaler/src/api-client.ts";
import { ApiError } from "../../../packages/scaler/src/api-error.ts";
import { jsonOf, listOf, textOf, type Json } from "../../../packages/scaler/src/api-object.ts";
import { waitUntil } from "../../support/wait-until.ts";

const { KUBECONFIG, SLUICE_TEST_GATEWAY, SLUICE_TEST_SIDECAR_IMAGE } = process.env;
const missing =
  KUBECONFIG === undefined
    ? "KUBECONFIG is not set"
    : SLUICE_TEST_GATEWAY === undefined
      ? "SLUICE_TEST_GATEWAY is not set: http://address of the Service sluice-gateway, as seen from here"
      : undefined;

export const systemNamespace = "sluice-system";
export const image = SLUICE_TEST_SIDECAR_IMAGE ?? "sluice/sluice:0.1.0";
export const coldMs = 120_000;
export const scaleMs = 180_000;
export const idleMs = 240_000;

const collections = {
  Deployment: ["/apis/apps/v1", "deployments"],
  Service: ["/api/v1", "services"],
  Pod: ["/api/v1", "pods"],
  Event: ["/api/v1", "events"],
  EndpointSlice: ["/apis/discovery.k8s.io/v1", "endpointslices"],
  HorizontalPodAutoscaler: ["/apis/autoscaling/v2", "horizontalpodautoscalers"],
} as const;
export type Kind = keyof typeof collections;

function isKind(kind: string): kind is Kind {
  return kind in collections;
}

export interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

/** A cluster in which Sluice is installed, and a namespace in it that is this file's own and goes with it. */
export class TestCluster {
  readonly namespace = `sluice-test-${randomBytes(4).toString("hex")}`;
  #client: ApiClient | undefined;

  get client(): ApiClient {
    if (this.#client === undefined) throw new Error("start it first");
    return this.#client;
  }

  async start(): Promise<void> {
    const config = new KubeConfig();
    config.loadFromDefault();
    this.#client = new ApiClient(config);
    const body = { apiVersion: "v1", kind: "Namespace", metadata: { name: this.namespace } };
    await this.client.call("POST", "/api/v1/namespaces", { body });
  }

  async stop(): Promise<void> {
    await this.client.call("DELETE", `/api/v1/namespaces/${this.namespace}`).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    });
    await this.client.close();
  }

  path(kind: Kind, name = ""): string {
    const [group, resource] = collections[kind];
    return `${group}/namespaces/${this.namespace}/${resource}${name === "" ? "" : `/${name}`}`;
  }

  /** As `kubectl apply --server-side`: fields that were applied before and are not there now are removed. */
  async apply(object: Json): Promise<void> {
    const metadata = { ...jsonOf(object["metadata"]), namespace: this.namespace };
    const kind = textOf(object["kind"]);
    if (!isKind(kind)) throw new Error(`not expected: ${kind}`);
    const path = `${this.path(kind, textOf(jsonOf(object["metadata"])["name"]))}?fieldManager=test&force=true`;
    await this.client.call("PATCH", path, {
      body: { ...object, metadata },
      contentType: "application/apply-patch+yaml",
    });
  }

  async get(kind: Kind, name: string): Promise<Json> {
    return jsonOf(await this.client.call("GET", this.path(kind, name)));
  }

  async list(kind: Kind, labelSelector = ""): Promise<readonly Json[]> {
    const query = labelSelector === "" ? "" : `?${new URLSearchParams({ labelSelector }).toString()}`;
    return listOf(jsonOf(await this.client.call("GET", this.path(kind) + query))["items"]);
  }

  async patch(kind: Kind, name: string, body: Json): Promise<void> {
    await this.client.call("PATCH", this.path(kind, name), { body, contentType: mergePatch });
  }

  async remove(kind: Kind, name: string): Promise<void> {
    await this.client.call("DELETE", this.path(kind, name));
  }

  async annotate(deployment: string, annotations: Readonly<Record<string, string>>): Promise<void> {
    await this.patch("Deployment", deployment, { metadata: { annotations } });
  }

  /** How many pods are wanted, and how many there are; a new Deployment wants one before it has any. */
  async podsOf(revision: string): Promise<{ readonly wanted: number; readonly existing: number }> {
    const scale = jsonOf(await this.client.call("GET", `${this.path("Deployment", revision)}/scale`));
    const [wanted, existing] = [scale["spec"], scale["status"]].map((part) =>
      Number(jsonOf(part)["replicas"] ?? 0),
    );
    return { wanted: wanted ?? 0, existing: existing ?? 0 };
  }

  async waitForPods(revision: string, count: number, limitMs = scaleMs): Promise<void> {
    await waitUntil(
      `${count} pods of ${revision}`,
      async () => {
        const { wanted, existing } = await this.podsOf(revision);
        return wanted === count && existing === count;
      },
      limitMs,
    );
  }

  async waitForReadyPods(revision: string, count: number): Promise<void> {
    await waitUntil(
      `${count} ready pods of ${revision}`,
      async () => {
        const status = jsonOf((await this.get("Deployment", revision))["status"]);
        return status["readyReplicas"] === count && status["replicas"] === count;
      },
      scaleMs,
    );
  }

  /** The message of an event about an object, once there is one. */
  waitForEvent(name: string, reason: string): Promise<string> {
    return waitUntil(
      `an event ${reason} about ${name}`,
      async () => {
        const events = await this.list("Event");
        const found = events.find(
          (event) => event["reason"] === reason && jsonOf(event["involvedObject"])["name"] === name,
        );
        return found && textOf(found["message"]);
      },
      coldMs,
    );
  }

  /** Addresses behind a Service by who wrote the slice: `activators` and `pods` of ours, else its controller. */
  async endpointsOf(service: string): Promise<Readonly<Record<string, readonly string[]>>> {
    const slices = await this.list("EndpointSlice", `kubernetes.io/service-name=${service}`);
    return Object.fromEntries(
      slices.map((slice) => {
        const labels = jsonOf(jsonOf(slice["metadata"])["labels"]);
        const writer =
          labels["sluice.dev/endpoints"] ?? labels["endpointslice.kubernetes.io/managed-by"] ?? "";
        const addresses = listOf(slice["endpoints"]).flatMap((endpoint) => endpoint["addresses"] as string[]);
        return [textOf(writer), addresses];
      }),
    );
  }

  async waitForWriters(service: string, writers: string): Promise<void> {
    await waitUntil(
      `${service} to lead to ${writers} alone`,
      async () =>
        Object.keys(await this.endpointsOf(service))
          .toSorted()
          .join() === writers,
      scaleMs,
    );
  }

  /** Calls a service of this namespace from outside. */
  callGateway(service: string, path = "/"): Promise<Answer> {
    const url = new URL(path, SLUICE_TEST_GATEWAY);
    const headers = { host: `${service}.${this.namespace}.example.com` };
    return new Promise((resolve, reject) => {
      const sent = request(url, { headers, agent: false }, (response) => {
        text(response).then((body) => resolve({ status: response.statusCode, body }), reject);
      });
      sent.on("error", reject);
      sent.end();
    });
  }

  /** The first answer that is not "unknown host": a new service takes a moment to be known. */
  waitForAnswer(service: string, path = "/"): Promise<Answer> {
    return waitUntil(
      `an answer of ${service}`,
      async () => {
        const answer = await this.callGateway(service, path);
        return answer.status !== 404 && answer;
      },
      coldMs,
    );
  }

  /** Calls from `clients` at once, each as soon as its last was answered, until `isOver`. Returns the statuses that came. */
  async load(
    service: string,
    path: string,
    clients: number,
    isOver: () => boolean,
  ): Promise<readonly (number | undefined)[]> {
    const statuses = new Set<number | undefined>();
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (!isOver()) statuses.add((await this.callGateway(service, path)).status);
      }),
    );
    return [...statuses];
  }
}

/** Tests on a real cluster, or one skipped test that says why there is none. */
export function describeCluster(name: string, define: (cluster: TestCluster) => void): void {
  test.for(missing === undefined ? [] : [missing])(
    `${name}: no real cluster is tested: %s`,
    (reason, { skip }) => {
      process.stderr.write(`no real cluster is tested: ${reason}\n`);
      skip(reason);
      expect.unreachable();
    },
  );
  describe.each(missing === undefined ? [name] : [])("%s", () => {
    const cluster = new TestCluster();
    beforeAll(() => cluster.start());
    afterAll(() => cluster.stop());
    define(cluster);
  });
}
