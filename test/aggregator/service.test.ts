import { expect, test } from "vitest";
import {
  createPod,
  createRevision,
  sendStat,
  TestAggregator,
  TestFeed,
} from "../support/aggregator-harness.ts";

const decidedAt = "2026-11-23T10:00:00.000Z";

test("a stat that ends zero is answered on the watch at once, long before the next evaluation", async () => {
  await using feed = await TestFeed.open([createRevision()]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  await aggregator.waitFor((decision) => decision.desiredPods === 0);
  const socket = await aggregator.connect();
  sendStat(socket, { held: 1 });
  const decision = await aggregator.waitFor(({ desiredPods }) => desiredPods > 0);
  expect(decision).toMatchObject({
    namespace: "default",
    name: "hello-00001",
    desiredPods: 1,
    recommendedPods: 1,
    mode: "proxy",
    inFlight: 1,
    held: 1,
    owner: "aggregator-0",
    activation: { state: "activating" },
  });
  expect(decision.reason).toContain("1 in flight over 1m at target 70 asks for 1 pod");
});

test("a new revision starts with its initial scale without any load", async () => {
  const applied = { replicas: 0, mode: "proxy" as const, modeSince: decidedAt };
  await using feed = await TestFeed.open([createRevision({ applied })]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  const decision = await aggregator.waitFor(() => true);
  expect(decision).toMatchObject({ desiredPods: 1, rule: "initial", reason: "new: starts with 1 pod" });
});

test("stats that are faster than the feed count once the feed names their revision", async () => {
  await using feed = await TestFeed.open([]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  const socket = await aggregator.connect();
  sendStat(socket, { averageConcurrentRequests: 30 });
  await expect.poll(() => readMetric(aggregator, 'sluice_aggregator_stats_total{fate="pending"}')).toBe(1);
  feed.put(createRevision());
  const decision = await aggregator.waitFor(() => true);
  expect(decision).toMatchObject({ desiredPods: 1, inFlight: 30 });
});

test("a pod that becomes ready shows in the decision at once", async () => {
  await using feed = await TestFeed.open([createRevision()]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  const socket = await aggregator.connect();
  sendStat(socket);
  await aggregator.waitFor(({ desiredPods }) => desiredPods === 1);
  feed.put(createPod("hello-1"));
  const decision = await aggregator.waitFor(({ readyPods }) => readyPods === 1);
  expect(decision.activation.state).toBe("active");
  feed.put(createPod("hello-1", { terminating: true }));
  aggregator.forget();
  await aggregator.waitFor(({ readyPods }) => readyPods === 0);
});

test("one decision and its history can be asked for, and a missing one says why", async () => {
  await using feed = await TestFeed.open([createRevision()]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  sendStat(await aggregator.connect());
  await aggregator.waitFor(({ desiredPods }) => desiredPods === 1);
  const one = await fetch(`${aggregator.url}/v1/scale/default/hello-00001`);
  const etag = one.headers.get("etag") ?? "";
  expect(await one.json()).toMatchObject({ desiredPods: 1 });
  const again = await fetch(one.url, { headers: { "if-none-match": etag } });
  expect(again.status).toBe(304);
  const history = await fetch(`${one.url}/history`);
  const { items } = (await history.json()) as { items: { desiredPods: number }[] };
  expect(items.map(({ desiredPods }) => desiredPods)).toEqual([0, 1]);
  const missing = await fetch(`${aggregator.url}/v1/scale/default/nobody`);
  expect(missing.status).toBe(404);
  expect(await missing.json()).toEqual({ error: "the feed names no revision default/nobody" });
});

test("a revision of another class is left alone, and its 404 says so", async () => {
  const annotations = { "autoscaling.knative.dev/class": "hpa.autoscaling.knative.dev" };
  await using feed = await TestFeed.open([createRevision({ annotations })]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  const missing = await fetch(`${aggregator.url}/v1/scale/default/hello-00001`);
  expect(missing.status).toBe(404);
  expect(await missing.text()).toContain("left to the autoscaler of its class, hpa.autoscaling.knative.dev");
});

test("a revision that leaves the feed leaves the scale endpoint", async () => {
  await using feed = await TestFeed.open([createRevision()]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  await aggregator.waitFor(() => true);
  feed.delete(createRevision());
  await expect
    .poll(async () => {
      const list = await fetch(`${aggregator.url}/v1/scale`);
      return ((await list.json()) as { items: unknown[] }).items.length;
    })
    .toBe(0);
});

test("messages that are no stats are dropped and counted, and the connection goes on", async () => {
  await using feed = await TestFeed.open([createRevision()]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  const socket = await aggregator.connect();
  socket.send("a text");
  socket.send(Buffer.from([0x0a, 0xff, 0xff]));
  socket.send(Buffer.alloc(0));
  sendStat(socket);
  await aggregator.waitFor(({ desiredPods }) => desiredPods === 1);
  expect(await readMetric(aggregator, "sluice_aggregator_bad_messages_total")).toBe(2);
});

async function readMetric(aggregator: TestAggregator, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${aggregator.url}/metrics`)).text();
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}
