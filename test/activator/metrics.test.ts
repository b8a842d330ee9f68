import { expect, test } from "vitest";
import { Harness } from "./support/activator-harness.ts";
import { makeRevision, makeService } from "./support/feed-objects.ts";

const names = ["one", "two", "three", "four"];

function toObjects() {
  return names.flatMap((name) => [
    makeRevision({ name: `${name}-1`, service: name }),
    makeService({
      name,
      hosts: [{ host: `${name}.example.com`, visibility: "public" }],
      traffic: [{ revision: `${name}-1`, percent: 100 }],
    }),
  ]);
}

test("what each revision has now is shown for so many revisions as are allowed, and for all others together", async () => {
  await using harness = await Harness.start({
    settings: { SLUICE_METRIC_REVISIONS: "2" },
    objects: toObjects(),
  });
  const show = (name: string, revision: string) =>
    harness.metric(
      `sluice_activator_${name}{namespace="${revision === "other" ? "other" : "default"}",revision="${revision}"}`,
    );
  const showAll = async (name: string) => [
    await show(name, "one-1"),
    await show(name, "two-1"),
    await show(name, "three-1"),
    await show(name, "other"),
  ];
  const replies = [];
  for (const [index, name] of names.entries()) {
    for (let count = 0; count <= index; count++) replies.push(harness.call({ host: `${name}.example.com` }));
    await harness.untilHeld(replies.length);
  }
  expect(await showAll("held_requests")).toEqual([1, 2, 0, 7]);
  expect(await showAll("inside_requests")).toEqual([1, 2, 0, 7]);
  for (const name of names) {
    const pod = await harness.addPod(`${name}-pod`);
    harness.feed.put(pod.toFeed({ revision: `${name}-1` }));
    // It was put under the revision of most tests, which this feed does not have.
    const broken = await harness.addPod(`${name}-broken`);
    broken.isReady = false;
    harness.feed.put(broken.toFeed({ revision: `${name}-1` }));
  }
  const statuses = (await Promise.all(replies)).map(({ status }) => status);
  expect(statuses).toEqual(Array(10).fill(200));
  expect(await showAll("pods_known")).toEqual([2, 2, 0, 4]);
  expect(await showAll("pods_healthy")).toEqual([1, 1, 0, 2]);
  // A revision that has come to rest keeps its series.
  expect(await showAll("held_requests")).toEqual([0, 0, 0, 0]);
  const { body } = await harness.call({
    port: harness.activator.adminPort,
    host: `127.0.0.1:${harness.activator.adminPort}`,
    path: "/metrics",
  });
  expect(body).toContain(`sluice_activator_held_requests{namespace="default",revision="one-1"} 0`);
});

test("the connection to each aggregator is shown, open or not", async () => {
  await using harness = await Harness.start();
  const { aggregator } = harness;
  const gone = { kind: "aggregator" as const, name: "gone", address: "127.0.0.1", ports: { http: 1 } };
  harness.feed.put(gone);
  const show = (name: string) => harness.metric(`sluice_activator_stat_connections{aggregator="${name}"}`);
  await harness.untilMetric("sluice_activator_stat_connections", (open) => open === 1);
  expect([await show("aggregator-0"), await show("gone")]).toEqual([1, 0]);
  await aggregator?.close();
  await harness.untilMetric("sluice_activator_stat_connections", (open) => open === 0);
});
