import { encodeStat, statContentType, type Pod, type Stat } from "@sluice/core";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import {
  createPod,
  createRevision,
  createStat,
  TestAggregator,
  TestFeed,
} from "../support/aggregator-harness.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A sidecar's stats port that answers as `answer` says. */
async function createSidecar(
  name: string,
  answer: () => { stat?: Partial<Stat>; status?: number; type?: string; body?: Uint8Array; hang?: boolean },
): Promise<{ pod: Pod; asked: () => number }> {
  let count = 0;
  const server = createServer((request, response) => {
    count++;
    const { stat, status = 200, type = statContentType, body, hang } = answer();
    if (hang === true) return;
    expect(request.url).toBe("/metrics");
    expect(request.headers.accept).toBe(statContentType);
    response.writeHead(status, { "content-type": type });
    response.end(body ?? encodeStat(createStat({ podName: name, ...stat })));
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const pod = createPod(name, { ports: { main: 8012, stats: port, metrics: 9091, admin: 8022 } });
  return { pod, asked: () => count };
}

const serving = createRevision({
  annotations: { "autoscaling.knative.dev/target-burst-capacity": "0" },
  applied: {
    replicas: 2,
    mode: "serve",
    modeSince: "2026-11-23T10:00:00.000Z",
    decidedAt: "2026-11-23T10:00:00.000Z",
  },
});

describe("while callers go straight to pods", () => {
  test("the pods' stats decide, without the part that activators report", async () => {
    const load = {
      averageConcurrentRequests: 50,
      averageProxiedConcurrentRequests: 20,
      requestCount: 9,
      proxiedRequestCount: 4,
    };
    const one = await createSidecar("hello-1", () => ({ stat: load }));
    const two = await createSidecar("hello-2", () => ({ stat: load }));
    await using feed = await TestFeed.open([serving, one.pod, two.pod]);
    await using aggregator = await TestAggregator.start({ feed: feed.url });
    const decision = await aggregator.waitFor(({ stableValue }) => stableValue > 0);
    expect(decision).toMatchObject({ stableValue: 60, inFlight: 60, requestsPerSecond: 10, readyPods: 2 });
  });

  test("a pod that is not ready, or is terminating, is not asked", async () => {
    const good = await createSidecar("hello-1", () => ({ stat: { averageConcurrentRequests: 7 } }));
    const leaving = await createSidecar("hello-2", () => ({ stat: { averageConcurrentRequests: 900 } }));
    const starting = await createSidecar("hello-3", () => ({ stat: { averageConcurrentRequests: 900 } }));
    await using feed = await TestFeed.open([
      serving,
      good.pod,
      { ...leaving.pod, terminating: true },
      { ...starting.pod, ready: false },
    ]);
    await using aggregator = await TestAggregator.start({ feed: feed.url });
    const decision = await aggregator.waitFor(({ stableValue }) => stableValue > 0);
    expect(decision.stableValue).toBe(7);
    expect([leaving.asked(), starting.asked()]).toEqual([0, 0]);
  });

  test.each([
    ["answers an error", { status: 500 }],
    ["answers another type", { type: "text/plain" }],
    ["answers garbage", { body: Buffer.from([0x0a, 0xff]) }],
    ["answers endlessly much", { body: Buffer.alloc(100_000) }],
    ["lies with NaN", { stat: { averageConcurrentRequests: Number.NaN } }],
    ["lies with a negative", { stat: { averageConcurrentRequests: -5 } }],
    ["lies beyond measure", { stat: { averageConcurrentRequests: 1e300 } }],
    ["claims more proxied than there is", { stat: { averageProxiedConcurrentRequests: 5 } }],
  ])("a pod that %s makes nothing known", async (_name, answer) => {
    const bad = await createSidecar("hello-1", () => answer);
    const good = await createSidecar("hello-2", () => ({ stat: { averageConcurrentRequests: 5 } }));
    await using feed = await TestFeed.open([serving, bad.pod, good.pod]);
    await using aggregator = await TestAggregator.start({ feed: feed.url });
    await expect.poll(() => bad.asked(), { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
    expect(aggregator.decisions).toEqual([]);
    const missing = await fetch(`${aggregator.url}/v1/scale/default/hello-00001`);
    expect(missing.status).toBe(404);
  });

  test("a pod that never answers holds up no other revision", async () => {
    const hanging = await createSidecar("hello-1", () => ({ hang: true }));
    const good = await createSidecar("other-1", () => ({ stat: { averageConcurrentRequests: 5 } }));
    const other = { ...serving, name: "other-00001" };
    const otherPod = { ...good.pod, revision: "other-00001" };
    await using feed = await TestFeed.open([serving, hanging.pod, other, otherPod]);
    await using aggregator = await TestAggregator.start({ feed: feed.url });
    const decision = await aggregator.waitFor(({ stableValue }) => stableValue > 0);
    expect(decision.name).toBe("other-00001");
  });
});

test("while activators are in the path pods are left alone, and silence means zero", async () => {
  const applied = { ...serving.applied, replicas: 1, mode: "proxy" as const };
  const busy = await createSidecar("hello-1", () => ({ stat: { averageConcurrentRequests: 50 } }));
  await using feed = await TestFeed.open([createRevision({ applied }), busy.pod]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  const decision = await aggregator.waitFor(() => true);
  expect(decision).toMatchObject({ stableValue: 0, recommendedPods: 0, desiredPods: 1 });
  expect(busy.asked()).toBe(0);
});
