import { describe, expect, test } from "vitest";
import { Harness } from "./support/activator-harness.ts";
import { FakePod } from "./support/fake-pod.ts";
import { makeRevision, makeService } from "./support/feed-objects.ts";

describe("a request at zero", () => {
  test("is held, announced at once, and answered when a pod comes", async () => {
    await using harness = await Harness.start();
    const { aggregator } = harness;
    const reply = harness.call({ path: "/a?b=c" });
    await aggregator?.until((stats) => stats.length > 0);
    expect(aggregator?.stats[0]).toMatchObject({
      namespace: "default",
      name: "hello-00001",
      stat: { podName: "activator-0", averageConcurrentRequests: 1, requestCount: 1, held: 1 },
    });
    const pod = await harness.addPod();
    expect(await reply).toMatchObject({ status: 200, body: "hello\n" });
    expect(pod.requests[0]?.url).toBe("/a?b=c");
  });

  test("waits for a pod that is not ready yet, which is asked often", async () => {
    await using harness = await Harness.start();
    const pod = await FakePod.start("hello-00001-a");
    pod.isReady = false;
    const reply = harness.call();
    await harness.untilHeld(1);
    harness.feed.put(pod.toFeed({ ready: false }));
    while (pod.probes < 20) await new Promise((resolve) => setImmediate(resolve));
    pod.isReady = true;
    expect((await reply).status).toBe(200);
    await pod.close();
  });

  test("gets 504 with Knative's words when nothing comes within the revision's time", async () => {
    await using harness = await Harness.start({
      objects: [makeRevision({ timeouts: { request: 0.05, responseStart: 0, idle: 0 } }), makeService()],
    });
    await harness.aggregator?.until(() => (harness.aggregator?.handshakes.length ?? 0) > 0);
    const reply = await harness.call();
    expect([reply.status, reply.body]).toEqual([504, "activator request timeout"]);
  });

  test("gets 503 and a time to come back when nobody who decides about scale can be reached", async () => {
    await using harness = await Harness.start({
      hasAggregator: false,
      objects: [makeRevision({ timeouts: { request: 0.05, responseStart: 0, idle: 0 } }), makeService()],
    });
    const reply = await harness.call();
    expect([reply.status, reply.body, reply.headers["retry-after"]]).toEqual([
      503,
      "autoscaler unreachable\n",
      "5",
    ]);
  });
});

test("an unknown host gets 404 that names it", async () => {
  await using harness = await Harness.start();
  const reply = await harness.call({ host: "nobody.example.com:8000" });
  expect([reply.status, reply.body]).toEqual([404, 'no service has the host "nobody.example.com:8000"\n']);
});

test("an unknown host ends the connection where Services lead to it, so that its client learns where they lead now", async () => {
  await using harness = await Harness.start();
  const { internalPort, publicPort } = harness.activator;
  const connectionOf = async (port: number): Promise<string | undefined> => {
    const reply = await harness.call({ port, host: "nobody.default", headers: { connection: "keep-alive" } });
    expect(reply.status).toBe(404);
    return reply.headers.connection;
  };
  expect(await connectionOf(internalPort)).toBe("close");
  expect(await connectionOf(publicPort)).not.toBe("close");
});

test("a host whose service has no revision yet gets 404 that says so", async () => {
  await using harness = await Harness.start({ objects: [makeRevision(), makeService({ traffic: [] })] });
  const { status, body } = await harness.call();
  expect([status, body]).toEqual([
    404,
    'the service that has the host "hello.default.example.com" sends its requests to no revision yet\n',
  ]);
});

test("fifty clients are never counted as more than fifty, and what is held is said", async () => {
  await using harness = await Harness.start();
  const { aggregator } = harness;
  if (aggregator === undefined) throw new Error("no aggregator");
  const replies = Array.from({ length: 50 }, () => harness.call());
  await aggregator.until((stats) => stats.some(({ stat }) => stat.held === 50));
  await harness.addPod();
  const statuses = (await Promise.all(replies)).map(({ status }) => status);
  expect(statuses).toEqual(Array(50).fill(200));
  await aggregator.until((stats) => stats.at(-1)?.stat.averageConcurrentRequests === 0);
  const bySecond = new Map<number, number>();
  for (const { stat } of aggregator.stats) {
    expect(stat.averageConcurrentRequests).toBeLessThanOrEqual(50);
    bySecond.set(stat.timestamp, (bySecond.get(stat.timestamp) ?? 0) + stat.averageConcurrentRequests);
  }
  for (const sum of bySecond.values()) expect(sum).toBeLessThanOrEqual(50);
  const requests = aggregator.stats.reduce((sum, { stat }) => sum + stat.requestCount, 0);
  expect(requests).toBe(50);
});

test("reports come in the middle of the wall-clock second and say which second it was", async () => {
  await using harness = await Harness.start();
  const { aggregator } = harness;
  if (aggregator === undefined) throw new Error("no aggregator");
  const reply = harness.call();
  await aggregator.until((stats) => stats.length >= 3);
  const [, ...reports] = aggregator.stats;
  for (const { stat, heardAtMs } of reports)
    expect(Math.floor((heardAtMs - 200) / 1000)).toBe(stat.timestamp);
  expect(new Set(reports.map(({ stat }) => stat.timestamp)).size).toBe(reports.length);
  await harness.addPod();
  await reply;
});

test("with containerConcurrency 1 a pod never runs two requests, whatever comes", async () => {
  await using harness = await Harness.start({
    objects: [makeRevision({ containerConcurrency: 1 }), makeService()],
  });
  const slow = (_request: unknown, response: { end: (text: string) => void }) =>
    void setTimeout(() => response.end("ok"), 2);
  const pods = [await harness.addPod("a", slow), await harness.addPod("b", slow)];
  const replies = await Promise.all(Array.from({ length: 60 }, () => harness.call()));
  expect(replies.every(({ status }) => status === 200)).toBe(true);
  expect(pods.map((pod) => pod.highest)).toEqual([1, 1]);
});

describe("pods that come and go", () => {
  test("a pod marked terminating gets no new request and ends what it has", async () => {
    await using harness = await Harness.start();
    let finish: (() => void) | undefined;
    const first = await harness.addPod("a", (_request, response) => (finish = () => response.end("late")));
    const slow = harness.call();
    while (first.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    harness.feed.put(first.toFeed({ terminating: true }));
    const second = await harness.addPod("b");
    const replies = await Promise.all(Array.from({ length: 20 }, () => harness.call()));
    expect(replies.every(({ body }) => body === "hello\n")).toBe(true);
    expect([first.requests.length, second.requests.length]).toEqual([1, 20]);
    finish?.();
    expect((await slow).body).toBe("late");
  });

  test("a request that a dead pod refused goes to another", async () => {
    await using harness = await Harness.start();
    const dead = await harness.addPod("a");
    await harness.call();
    await harness.addPod("b");
    await dead.kill();
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => harness.call({ method: "POST", body: "x" })),
    );
    expect(replies.map(({ status }) => status)).toEqual(Array(20).fill(200));
  });

  test.each(["queue-full", "closing"])(
    "a request that a sidecar refused as %s goes to another pod",
    async (reason) => {
      await using harness = await Harness.start();
      const refusing = await harness.addPod("a", (_request, response) => {
        response.writeHead(503, { "sluice-refused": reason }).end("no");
      });
      const reply = harness.call();
      while (refusing.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
      await harness.addPod("b");
      const replies = await Promise.all([reply, ...Array.from({ length: 20 }, () => harness.call())]);
      expect(replies.map(({ status }) => status)).toEqual(Array(21).fill(200));
    },
  );
});
