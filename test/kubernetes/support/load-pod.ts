import { jsonOf, listOf } from "../../../packages/scaler/src/api-object.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { toProgram } from "./test-apps.ts";
import { coldMs, type TestCluster } from "./test-cluster.ts";

export interface LoadOptions {
  /** Service of the cluster's namespace that is called by its name. */
  readonly service: string;
  readonly clients: number;
  /** Connections are kept; otherwise each call makes its own, so that each is led anew. */
  readonly keepsConnections: boolean;
  /** Milliseconds that each call takes. */
  readonly sleepMs: number;
}

/** How often what came: `"200"`, another status, or why there was no answer. */
export type Outcomes = Readonly<Record<string, unknown>>;

/** A pod that calls a Service as pods do, through whatever leads to its endpoints. */
export class LoadPod {
  readonly #cluster: TestCluster;
  readonly #name: string;

  private constructor(cluster: TestCluster, name: string) {
    this.#cluster = cluster;
    this.#name = name;
  }

  static async start(cluster: TestCluster, name: string, options: LoadOptions): Promise<LoadPod> {
    const host = `${options.service}.${cluster.namespace}.svc.cluster.local`;
    const container = toProgram("load", {
      TARGET: `http://${host}/?sleep=${options.sleepMs}`,
      HOST: host,
      CLIENTS: String(options.clients),
      KEEP_ALIVE: String(options.keepsConnections),
    });
    await cluster.apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: { restartPolicy: "Never", terminationGracePeriodSeconds: 1, containers: [container] },
    });
    const pod = new LoadPod(cluster, name);
    await waitUntil(`${name} to call`, () => pod.#isReady(), coldMs);
    return pod;
  }

  /** What came so far. */
  async look(): Promise<Outcomes> {
    return jsonOf(await this.#ask("/"));
  }

  /** Ends the calls and the pod; what came in all. */
  async stop(): Promise<Outcomes> {
    const outcomes = jsonOf(await this.#ask("/stop"));
    await this.#cluster.remove("Pod", this.#name);
    return outcomes;
  }

  /** Through the API server, which reaches pods from wherever the tests run. */
  #ask(path: string): Promise<unknown> {
    return this.#cluster.client.call(
      "GET",
      `${this.#cluster.path("Pod", `${this.#name}:8080`)}/proxy${path}`,
    );
  }

  async #isReady(): Promise<boolean> {
    const { status } = await this.#cluster.get("Pod", this.#name);
    return listOf(jsonOf(status)["conditions"]).some(
      (condition) => condition["type"] === "Ready" && condition["status"] === "True",
    );
  }
}
