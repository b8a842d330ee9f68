import { names } from "@sluice/manifest";
import { expect, test } from "vitest";
import { waitUntil } from "../support/wait-until.ts";
import { LoadPod, type LoadOptions } from "./support/load-pod.ts";
import { inject, quick, toApp, toAppService } from "./support/test-apps.ts";
import { coldMs, describeCluster, idleMs } from "./support/test-cluster.ts";

const kubernetes = "endpointslice-controller.k8s.io";
const onlyAnswers = { "200": expect.any(Number) as number };
const toLoad = (service: string, keepsConnections: boolean): LoadOptions => ({
  service,
  clients: 4,
  keepsConnections,
  sleepMs: 20,
});

/** Pods that call a Service by its name: whoever is behind it at the moment, no call may be lost. */
describeCluster("a Service on a cluster", (cluster) => {
  const burst = (capacity: string) => ({
    ...quick,
    "autoscaling.knative.dev/target-burst-capacity": capacity,
  });

  /** Two pods that call it, one on kept connections and one on new ones. */
  async function startLoad(service: string): Promise<() => Promise<unknown[]>> {
    const pods = [
      await LoadPod.start(cluster, `load-${service}-new`, toLoad(service, false)),
      await LoadPod.start(cluster, `load-${service}-kept`, toLoad(service, true)),
    ];
    await waitUntil(
      "answers",
      async () => {
        const looks = await Promise.all(pods.map((pod) => pod.look()));
        return looks.every((outcomes) => Number(outcomes["200"] ?? 0) > 0);
      },
      coldMs,
    );
    return () => Promise.all(pods.map((pod) => pod.stop()));
  }

  test("leads to activators at zero, then to pods, and between them as the decision says", async () => {
    for (const object of inject(toApp("shop", { annotations: burst("0") }), toAppService("shop")))
      await cluster.apply(object);
    await cluster.waitForPods("shop", 0, idleMs);
    await cluster.waitForWriters("shop", "activators");
    const stop = await startLoad("shop");
    await cluster.waitForWriters("shop", "pods");
    for (let round = 0; round < 2; round++) {
      await cluster.annotate("shop", burst("-1"));
      await cluster.waitForWriters("shop", "activators");
      await cluster.annotate("shop", burst("0"));
      await cluster.waitForWriters("shop", "pods");
    }
    expect(await stop()).toEqual([onlyAnswers, onlyAnswers]);
    await cluster.waitForPods("shop", 0, idleMs);
    await cluster.waitForWriters("shop", "activators");
  });

  test("loses nothing while new versions of the Deployment behind it are rolled out", async () => {
    const annotations = { ...burst("0"), "autoscaling.knative.dev/min-scale": "2" };
    const apply = async (version: string): Promise<void> => {
      for (const object of inject(toApp("rolling", { annotations, version }), toAppService("rolling")))
        await cluster.apply(object);
    };
    await apply("1");
    await cluster.waitForReadyPods("rolling", 2);
    const stop = await startLoad("rolling");
    for (const version of ["2", "3"]) {
      await apply(version);
      await waitUntil(
        `version ${version} alone`,
        async () => {
          const pods = await cluster.list("Pod", "app=rolling");
          const versions = pods.map((pod) => JSON.stringify(pod).includes(`"version":"${version}"`));
          return versions.length >= 2 && versions.every(Boolean);
        },
        idleMs,
      );
    }
    expect(await stop()).toEqual([onlyAnswers, onlyAnswers]);
  });

  test("that people use already is taken over and given back without losing a call", async () => {
    const plain = [toApp("adopted"), toAppService("adopted")];
    for (const object of plain) await cluster.apply(object);
    await cluster.waitForReadyPods("adopted", 1);
    await cluster.waitForWriters("adopted", kubernetes);
    // On new connections: a kept one leads to a pod of before, which knows of no drain and ends with it.
    const load = await LoadPod.start(cluster, "load-adopted", toLoad("adopted", false));
    for (const object of inject(toApp("adopted", { annotations: burst("-1") }), toAppService("adopted")))
      await cluster.apply(object);
    await cluster.waitForWriters("adopted", "activators");
    await waitUntil(
      "pods with the sidecar alone",
      async () => {
        const pods = await cluster.list("Pod", "app=adopted");
        return pods.every((pod) => JSON.stringify(pod).includes("queue-proxy"));
      },
      idleMs,
    );
    const counted = Number((await load.look())["200"]);
    await waitUntil("more answers", async () => Number((await load.look())["200"]) > counted + 100, coldMs);
    for (const object of plain) await cluster.apply(object);
    await cluster.waitForWriters("adopted", kubernetes);
    await waitUntil(
      "no trace of us",
      async () => {
        const { metadata } = await cluster.get("Deployment", "adopted");
        const text = JSON.stringify(metadata).replace(/"managedFields":.*/, "");
        return !text.includes(names.applied) && !text.includes(names.status);
      },
      coldMs,
    );
    expect(await load.stop()).toEqual(onlyAnswers);
  });
});
