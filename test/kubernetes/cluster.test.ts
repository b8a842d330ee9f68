import { expect, test } from "vitest";
import { jsonOf, listOf, textOf } from "../../packages/scaler/src/api-object.ts";
import { names } from "@sluice/manifest";
import { waitUntil } from "../support/wait-until.ts";
import { quick, renderArticle, toApp } from "./support/test-apps.ts";
import { coldMs, describeCluster, idleMs, scaleMs } from "./support/test-cluster.ts";

/** What people come for: the article's two services, and a Deployment that they have. */
describeCluster("on a cluster", (cluster) => {
  test("the article's first service goes to zero, and its first request is held and answered", async () => {
    for (const object of renderArticle(cluster, "helloworld-go")) await cluster.apply(object);
    await cluster.waitForPods("helloworld-go-00001", 0, idleMs);
    expect(await cluster.waitForAnswer("helloworld-go")).toMatchObject({
      status: 200,
      body: expect.stringContaining("helloworld-go-07") as string,
    });
  });

  test("the article's second service goes to five pods under 50 clients, and back, without a failure", async () => {
    const path = "/?sleep=100&prime=10000&bloat=5";
    for (const object of renderArticle(cluster, "autoscale-go")) await cluster.apply(object);
    expect((await cluster.waitForAnswer("autoscale-go", "/?sleep=1")).status).toBe(200);
    let isOver = false;
    const statuses = cluster.load("autoscale-go", path, 50, () => isOver);
    await cluster.waitForPods("autoscale-go-00001", 5, scaleMs);
    isOver = true;
    expect(await statuses).toEqual([200]);
    await cluster.waitForPods("autoscale-go-00001", 0, idleMs);
  });

  test("the webhook gives the sidecar to pods that ask, which are called from zero, and none to others", async () => {
    const annotations = { ...quick, "autoscaling.knative.dev/initial-scale": "1" };
    await cluster.apply(toApp("asks", { annotations, labels: { [names.inject]: "true" } }));
    await cluster.apply(toApp("plain"));
    const containersOf = (name: string): Promise<string[]> =>
      waitUntil(
        `a pod of ${name}`,
        async () => {
          const [pod] = await cluster.list("Pod", `app=${name}`);
          return (
            pod && listOf(jsonOf(pod["spec"])["containers"]).map((container) => textOf(container["name"]))
          );
        },
        coldMs,
      );
    expect(await containersOf("asks")).toEqual(["app", "queue-proxy"]);
    expect(await containersOf("plain")).toEqual(["app"]);
    await cluster.waitForPods("asks", 0, idleMs);
    expect(await cluster.waitForAnswer("asks")).toMatchObject({
      status: 200,
      body: expect.stringMatching(/^asks-/) as string,
    });
  });
});
