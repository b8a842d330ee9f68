import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { jsonOf, textOf } from "../../packages/scaler/src/api-object.ts";
import { waitUntil } from "../support/wait-until.ts";
import { inject, quick, toApp } from "./support/test-apps.ts";
import { coldMs, describeCluster, idleMs, scaleMs, systemNamespace } from "./support/test-cluster.ts";

const { SLUICE_TEST_RESTART_API } = process.env;
const run = promisify(execFile);

/** What may be lost while pods are scaled. The scaler's pod is the one thing outside its namespace that these tests touch. */
describeCluster("a failure on a cluster", (cluster) => {
  async function writer(): Promise<string> {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${systemNamespace}/leases/sluice-scaler`;
    const lease = jsonOf(await cluster.client.call("GET", path));
    return textOf(jsonOf(lease["spec"])["holderIdentity"]);
  }

  /** Starts an app at zero, and lets `harm` happen while fifty clients scale it to five; returns their statuses. */
  async function scaleDuring(
    name: string,
    harm: () => Promise<unknown>,
  ): Promise<readonly (number | undefined)[]> {
    for (const object of inject(toApp(name, { annotations: quick }))) await cluster.apply(object);
    await cluster.waitForPods(name, 0, idleMs);
    let isOver = false;
    const statuses = cluster.load(name, "/?sleep=100", 50, () => isOver);
    await waitUntil("the first pods", async () => (await cluster.podsOf(name)).existing > 0, coldMs);
    await harm();
    await cluster.waitForReadyPods(name, 5);
    isOver = true;
    return statuses;
  }

  test("of the writing scaler loses nothing: another one goes on", async () => {
    const before = await writer();
    const statuses = await scaleDuring("survivor", async () => {
      const [pod = ""] = before.split("_");
      const path = `/api/v1/namespaces/${systemNamespace}/pods/${pod}?gracePeriodSeconds=0`;
      await cluster.client.call("DELETE", path);
      await waitUntil("another writer", async () => !["", before].includes(await writer()), scaleMs);
    });
    expect(statuses).toEqual([200]);
  });

  test.skipIf(SLUICE_TEST_RESTART_API === undefined)(
    "of the API server loses nothing: pods and activators need none, and scaling goes on after it",
    async () => {
      const statuses = await scaleDuring("patient", async () => {
        await run("sh", ["-c", SLUICE_TEST_RESTART_API ?? ""]);
        await waitUntil("the API server", () => writer().then(Boolean, () => false), scaleMs);
      });
      expect(statuses).toEqual([200]);
      await cluster.waitForPods("patient", 0, idleMs);
    },
  );
});
