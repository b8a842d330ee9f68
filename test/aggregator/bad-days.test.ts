import { defaultAutoscalerConfig, encodeStatBatch, type Decision, type Stat } from "@sluice/core";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import type { WebSocket } from "ws";
import { Fleet, type StatFate } from "../../packages/aggregator/src/fleet.ts";
import { FeedView } from "../../packages/aggregator/src/feed-view.ts";
import { Hearing } from "../../packages/aggregator/src/hearing.ts";
import { SteadyTime } from "../../packages/aggregator/src/steady-time.ts";
import {
  createPod,
  createRevision,
  createStat,
  sendStat,
  silentLog,
  TestAggregator,
  TestFeed,
} from "../support/aggregator-harness.ts";
import { ManualClock } from "../support/manual-clock.ts";

const key = "default/hello-00001" as const;

/** The aggregator without its sockets, on a manual clock, with one revision that has one ready pod. */
class Scene {
  readonly clock = new ManualClock(Date.UTC(2026, 10, 23, 10) + 500);
  readonly decisions: Decision[] = [];
  readonly feed = new FeedView();
  readonly fleet: Fleet;

  constructor() {
    const time = new SteadyTime(this.clock);
    this.fleet = new Fleet({
      owner: "aggregator-0",
      time,
      feed: this.feed,
      hearing: new Hearing(time),
      config: defaultAutoscalerConfig,
      isOwned: () => true,
      onForeignStats: () => undefined,
      sink: { put: (_key, decision) => void this.decisions.push(decision), delete: () => undefined },
      log: silentLog,
    });
    this.fleet.apply(this.feed.put(createRevision()));
    this.fleet.apply(this.feed.put(createPod("hello-1")));
  }

  get second(): number {
    return Math.floor(this.clock.now() / 1000);
  }

  send(stat: Partial<Stat>): StatFate {
    return this.fleet.record(key, createStat(stat));
  }

  /** What one evaluation makes of what was sent. */
  evaluate(): Decision | undefined {
    const scaler = this.fleet.scalers.get(key);
    if (scaler !== undefined) this.fleet.evaluate(key, scaler);
    return scaler?.decision;
  }
}

describe("stats that cannot be true", () => {
  test.each<[string, Partial<Stat>]>([
    ["NaN", { averageConcurrentRequests: Number.NaN }],
    ["infinite", { averageConcurrentRequests: Number.POSITIVE_INFINITY }],
    ["negative", { averageConcurrentRequests: -1 }],
    ["a negative count", { requestCount: -1 }],
    ["a count that is NaN", { requestCount: Number.NaN }],
    ["absurdly large", { averageConcurrentRequests: 1e300 }],
    ["more proxied than all", { averageConcurrentRequests: 1, averageProxiedConcurrentRequests: 2 }],
    ["a negative proxied part", { averageProxiedConcurrentRequests: -1 }],
    ["negatively many held", { held: -1 }],
  ])("%s: refused, and the revision goes on", (_name, stat) => {
    const scene = new Scene();
    expect(scene.send(stat)).toBe("refused");
    expect(scene.send({ averageConcurrentRequests: 5 })).toBe("recorded");
    expect(scene.evaluate()?.stableValue).toBeGreaterThan(0);
    expect(scene.evaluate()?.stableValue).toBeLessThanOrEqual(5);
  });
});

describe("stats at the wrong time", () => {
  test.each([
    ["out of order", [2, 0, 1, -1]],
    ["in order", [-1, 0, 1, 2]],
  ])("%s within two seconds: each counts in its own second", (_name, order) => {
    const scene = new Scene();
    scene.clock.advance(10_000);
    for (const offset of order)
      scene.send({ averageConcurrentRequests: 10, timestamp: scene.second + offset });
    scene.clock.advance(2000);
    const scaler = scene.fleet.scalers.get(key);
    const seconds = scaler?.load.stable.toEntries().filter(([, concurrency]) => concurrency > 0);
    expect(seconds?.map(([, concurrency]) => concurrency)).toEqual([10, 10, 10, 10]);
  });

  test.each([
    ["late", -100],
    ["from the future", 100],
    ["from 1970", -1_700_000_000],
  ])("%s: counts in the second in which it is heard", (_name, offset) => {
    const scene = new Scene();
    scene.send({ averageConcurrentRequests: 10, timestamp: scene.second + offset });
    const entries = scene.fleet.scalers
      .get(key)
      ?.load.stable.toEntries()
      .filter(([, value]) => value > 0);
    expect(entries).toEqual([[scene.second, 10, 1]]);
  });

  test("duplicated: adds up for its second only, and panic is over a window later", () => {
    const scene = new Scene();
    for (let second = 0; second < 20; second++) {
      scene.clock.advance(1000);
      const copies = second === 3 ? 20 : 1;
      for (let copy = 0; copy < copies; copy++) {
        scene.send({ averageConcurrentRequests: 50, timestamp: scene.second });
      }
      if (second % 2 === 0) scene.evaluate();
    }
    expect(scene.evaluate()?.panicValue).toBe(50);
  });

  test("two reports of one activator in one wall-clock second keep their own seconds by their stamps", () => {
    const scene = new Scene();
    scene.clock.advance(400);
    scene.send({ averageConcurrentRequests: 50, timestamp: scene.second });
    scene.clock.advance(50);
    scene.send({ averageConcurrentRequests: 50, timestamp: scene.second + 1 });
    scene.clock.advance(1000);
    expect(scene.evaluate()?.panicValue).toBeLessThanOrEqual(50);
  });

  test("two activators at once add up", () => {
    const scene = new Scene();
    const timestamp = scene.second;
    scene.send({ podName: "activator-0", averageConcurrentRequests: 20, timestamp });
    scene.send({ podName: "activator-1", averageConcurrentRequests: 30, timestamp });
    expect(scene.evaluate()?.inFlight).toBe(50);
    const entries = scene.fleet.scalers.get(key)?.load.stable.toEntries();
    expect(entries?.at(-1)?.[1]).toBe(50);
  });

  test("a wall clock that jumps both ways under load changes nothing", () => {
    const scene = new Scene();
    const seen = new Set<number | undefined>();
    for (let second = 0; second < 120; second++) {
      if (second === 40) scene.clock.jump(7_200_000);
      if (second === 80) scene.clock.jump(-9_000_000);
      scene.clock.advance(1000);
      scene.send({ averageConcurrentRequests: 50, timestamp: scene.second });
      if (second > 10 && second % 2 === 0) seen.add(scene.evaluate()?.panicValue);
    }
    expect(Math.max(...[...seen].map((value) => value ?? 0))).toBeLessThanOrEqual(60);
    expect(Math.min(...[...seen].map((value) => value ?? 0))).toBeGreaterThanOrEqual(40);
  });
});

test("a revision that is deleted while its stats still come is not decided on, and comes back clean", () => {
  const scene = new Scene();
  scene.send({ averageConcurrentRequests: 500 });
  scene.evaluate();
  scene.fleet.apply(scene.feed.delete(createRevision()));
  const before = scene.decisions.length;
  expect(scene.send({ averageConcurrentRequests: 500 })).toBe("pending");
  expect(scene.evaluate()).toBeUndefined();
  expect(scene.decisions).toHaveLength(before);
  scene.clock.advance(11_000);
  scene.fleet.apply(scene.feed.put(createRevision()));
  expect(scene.evaluate()?.stableValue ?? 0).toBe(0);
});

test("a revision that was deleted and made anew while the feed was away does not inherit its namesake's zero", () => {
  const scene = new Scene();
  const old = {
    ...createRevision(),
    applied: { replicas: 0, mode: "proxy" as const, modeSince: createRevision().createdAt },
  };
  scene.fleet.apply(scene.feed.replaceAll([old]));
  for (let second = 0; second < 120; second++) {
    scene.clock.advance(1000);
    scene.evaluate();
  }
  expect(scene.evaluate()?.desiredPods).toBe(0);
  const createdAt = new Date(scene.clock.now()).toISOString();
  const again = {
    ...createRevision(),
    createdAt,
    applied: { replicas: 3, mode: "proxy" as const, modeSince: createdAt },
  };
  scene.fleet.apply(scene.feed.replaceAll([again]));
  expect(scene.evaluate()?.desiredPods ?? 3).toBe(3);
});

test("a thousand connections that send at once are all heard", async () => {
  await using feed = await TestFeed.open([createRevision()]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  const sockets: WebSocket[] = [];
  for (let group = 0; group < 10; group++) {
    sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => aggregator.connect()))));
  }
  for (const [index, socket] of sockets.entries()) {
    sendStat(socket, { podName: `activator-${index}`, averageConcurrentRequests: 1 });
  }
  const { inFlight } = await aggregator.waitFor((decision) => decision.inFlight >= 900);
  expect(inFlight).toBeLessThanOrEqual(1000);
});

test("a client that floods one connection does not stop the others", async () => {
  await using feed = await TestFeed.open([createRevision()]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  const flood = await aggregator.connect();
  const junk = encodeStatBatch(
    Array.from({ length: 1000 }, (_, index) => ({
      namespace: "nobody",
      name: `n-${index}`,
      stat: createStat(),
    })),
  );
  for (let message = 0; message < 100; message++) flood.send(junk);
  sendStat(await aggregator.connect());
  await aggregator.waitFor(({ desiredPods }) => desiredPods === 1);
  const text = await (await fetch(`${aggregator.url}/metrics`)).text();
  const pending = Number(/^sluice_aggregator_pending_stats (\d+)$/m.exec(text)?.[1]);
  expect(pending).toBeLessThanOrEqual(10_000);
});

test("a watcher that reads nothing holds up nobody", async () => {
  await using feed = await TestFeed.open([createRevision()]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  const { port } = aggregator.aggregator;
  const slow = connect(port, "127.0.0.1");
  slow.on("error", () => slow.destroy());
  await once(slow, "connect");
  slow.write(`GET /v1/scale?watch=true HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`);
  slow.pause();
  const socket = await aggregator.connect();
  sendStat(socket, { averageConcurrentRequests: 100 });
  for (let round = 1; round <= 200; round++) {
    feed.put(createPod("hello-1", { ready: round % 2 === 0 }));
    await aggregator.waitFor(({ readyPods }) => readyPods === (round + 1) % 2);
    aggregator.forget();
  }
  expect((await fetch(`${aggregator.url}/v1/scale`)).status).toBe(200);
  slow.destroy();
});
