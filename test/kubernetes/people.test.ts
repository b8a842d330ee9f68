import { mergePatch } from "../../packages/scaler/src/api-client.ts";
import { jsonOf, textOf, type Json } from "../../packages/scaler/src/api-object.ts";
import { names } from "@sluice/manifest";
import { expect, test } from "vitest";
import { waitUntil } from "../support/wait-until.ts";
import { inject, quick, toApp } from "./support/test-apps.ts";
import { coldMs, describeCluster, idleMs } from "./support/test-cluster.ts";

/** What people do to a Deployment, and what they are told. */
describeCluster("people on a cluster", (cluster) => {
  async function applyApp(
    name: string,
    annotations: Readonly<Record<string, string>> = quick,
  ): Promise<void> {
    for (const object of inject(toApp(name, { annotations }))) await cluster.apply(object);
  }

  function setScale(name: string, replicas: number): Promise<unknown> {
    const path = `${cluster.path("Deployment", name)}/scale`;
    return cluster.client.call("PATCH", path, { body: { spec: { replicas } }, contentType: mergePatch });
  }

  async function replicasOf(name: string): Promise<number> {
    return Number(jsonOf((await cluster.get("Deployment", name))["spec"])["replicas"]);
  }

  test("a scale that a person sets is put back to the decision, and said", async () => {
    await applyApp("scaled");
    await cluster.waitForPods("scaled", 0, idleMs);
    await setScale("scaled", 3);
    expect(await cluster.waitForEvent("scaled", "ScaleOverridden")).toContain(
      "Somebody set 3 replicas; put back to 0.",
    );
    await cluster.waitForPods("scaled", 0);
    const { annotations } = jsonOf((await cluster.get("Deployment", "scaled"))["metadata"]);
    expect(textOf(jsonOf(annotations)[names.status])).toMatch(/^0 pods wanted, activators are in the path: /);
  });

  test("bounds are kept, whoever changes them", async () => {
    await applyApp("bounded", { ...quick, "autoscaling.knative.dev/min-scale": "3" });
    await cluster.waitForReadyPods("bounded", 3);
    await applyApp("bounded", { ...quick, "autoscaling.knative.dev/min-scale": "2" });
    await cluster.waitForReadyPods("bounded", 2);
    expect(await cluster.waitForEvent("bounded", "Scaled")).toContain("pods.");
  });

  test("a Deployment that an autoscaler also sets is left alone, and that is said, until the autoscaler is gone", async () => {
    await applyApp("contested");
    await cluster.waitForPods("contested", 0, idleMs);
    await cluster.apply({
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name: "rival" },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "contested" },
        minReplicas: 2,
        maxReplicas: 2,
        metrics: [
          {
            type: "Resource",
            resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } },
          },
        ],
      },
    });
    expect(await cluster.waitForEvent("contested", "AutoscalerConflict")).toContain(
      "HorizontalPodAutoscaler rival: spec.scaleTargetRef: must not name a Deployment that Sluice scales",
    );
    await setScale("contested", 2);
    await cluster.waitForReadyPods("contested", 2);
    await cluster.remove("HorizontalPodAutoscaler", "rival");
    await cluster.waitForPods("contested", 0, idleMs);
  });

  test("what is wrong is said on the object, and nothing is changed", async () => {
    const bad = {
      ...quick,
      "sluice.dev/container-concurrency": "-5",
      "autoscaling.knative.dev/min-scale": "1",
    };
    await applyApp("refused", { ...quick, "autoscaling.knative.dev/min-scale": "1" });
    await cluster.waitForReadyPods("refused", 1);
    await cluster.annotate("refused", bad);
    expect(await cluster.waitForEvent("refused", "Refused")).toBe(
      `Deployment ${cluster.namespace}/refused: metadata.annotations[sluice.dev/container-concurrency]: must be a whole number from 0 to 1000 (found "-5")`,
    );
    expect((await cluster.callGateway("refused")).status).toBe(200);
    await cluster.apply(toApp("bare", { annotations: quick }));
    expect(await cluster.waitForEvent("bare", "Refused")).toContain("its pods have no sidecar");
    await cluster.waitForReadyPods("bare", 1);
    expect(await replicasOf("bare")).toBe(1);
  });

  test("when pods have to go, the one that is busy stays", async () => {
    await applyApp("busy", { ...quick, "autoscaling.knative.dev/min-scale": "3" });
    await cluster.waitForReadyPods("busy", 3);
    const long = cluster.callGateway("busy", "/?sleep=60000");
    const nameOf = (pod: Json): string => textOf(jsonOf(pod["metadata"])["name"]);
    const busyMs = async (pod: Json): Promise<number> =>
      Number(await cluster.client.call("GET", `${cluster.path("Pod", `${nameOf(pod)}:8080`)}/proxy/busy`));
    // Sidecars tell their load once in a second.
    const busy = await waitUntil(
      "a pod that is busy for two seconds",
      async () => {
        for (const pod of await cluster.list("Pod", "app=busy")) {
          if ((await busyMs(pod)) > 2000) return nameOf(pod);
        }
        return undefined;
      },
      coldMs,
    );
    await cluster.annotate("busy", { ...quick, "autoscaling.knative.dev/min-scale": "1" });
    await cluster.waitForReadyPods("busy", 1);
    const kept = jsonOf((await cluster.get("Pod", busy))["metadata"]);
    expect(kept["deletionTimestamp"]).toBeUndefined();
    expect(jsonOf(kept["annotations"])["controller.kubernetes.io/pod-deletion-cost"]).toBe("1");
    expect(await long).toEqual({ status: 200, body: `${busy}\n` });
  });
});
