import { execFileSync, spawnSync } from "node:child_process";
import { connect } from "node:net";
import { once } from "node:events";
import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock, toFeedKey, type Clock, type FeedObject } from "@sluice/core";
import { createLogger, parseSettings, runStopStages } from "@sluice/kit";
import { activatorSettings, startActivator } from "@sluice/activator";
import { expect, test } from "vitest";
import { usedBytes } from "../support/used-bytes.ts";
import { callHttp, Harness, startTestActivator } from "./support/activator-harness.ts";
import { FakeAggregator } from "./support/fake-aggregator.ts";
import { FakePod } from "./support/fake-pod.ts";
import { makePod, makeRevision, makeService } from "./support/feed-objects.ts";
import { FeedServer } from "./support/feed-server.ts";

const silent = createLogger({ name: "test", level: "silent" });

test("the feed is gone: requests go on, and its changes apply when it is back", async () => {
  await using harness = await Harness.start();
  await harness.addPod();
  expect((await harness.call()).status).toBe(200);
  const port = Number(new URL(harness.feed.url).port);
  await harness.feed.close();
  expect((await harness.call()).status).toBe(200);
  const other = await FakePod.start("other");
  const again = await FeedServer.start(
    [
      makeRevision({ name: "other-00001", service: "other" }),
      makeService({
        name: "other",
        hosts: [{ host: "other.example.com", visibility: "public" }],
        traffic: [{ revision: "other-00001", percent: 100 }],
      }),
      other.toFeed({ revision: "other-00001" }),
    ],
    port,
  );
  while ((await harness.call({ host: "other.example.com" })).status !== 200) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await harness.call()).status).toBe(404);
  await again.close();
  await other.close();
});

test("the aggregator is gone: requests go on, counting goes on, and it hears at once of what is inside when it is back", async () => {
  await using harness = await Harness.start({ hasAggregator: false });
  const first = await FakeAggregator.start();
  harness.feed.put(first.toFeed());
  const held = harness.call();
  await first.until((stats) => stats.length > 0);
  const { port } = first;
  await first.close();
  const second = harness.call();
  await harness.untilHeld(2);
  const back = await FakeAggregator.start("aggregator-0", port);
  await back.until((stats) => stats.length > 0);
  expect(back.stats[0]?.stat).toMatchObject({ averageConcurrentRequests: 2, held: 2 });
  await harness.addPod();
  expect((await Promise.all([held, second])).map(({ status }) => status)).toEqual([200, 200]);
  await back.close();
});

test("feed and aggregator are gone and back: nothing that was held is lost", async () => {
  await using harness = await Harness.start({ hasAggregator: false });
  const aggregator = await FakeAggregator.start();
  harness.feed.put(aggregator.toFeed());
  const held = Array.from({ length: 20 }, () => harness.call());
  await aggregator.until((stats) => stats.length > 0);
  const feedPort = Number(new URL(harness.feed.url).port);
  await Promise.all([aggregator.close(), harness.feed.close()]);
  await harness.untilHeld(20);
  const pod = await FakePod.start("a");
  const again = await FeedServer.start([makeRevision(), makeService(), pod.toFeed()], feedPort);
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual(Array(20).fill(200));
  await again.close();
  await pod.close();
});

test("a feed that sends garbage is refused whole, the last good snapshot stays, and the log says it once", async () => {
  const streams: ServerResponse[] = [];
  const seen = { connections: 0 };
  const good: FeedObject[] = [makeRevision(), makeService()];
  const server = createServer((request, response) => {
    if (request.method === "POST") {
      response.writeHead(204).end();
      return;
    }
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    const isFirst = seen.connections++ === 0;
    const line = (value: unknown) => response.write(`${JSON.stringify(value)}\n`);
    line({ type: "snapshot-begin", version: "e.1" });
    if (isFirst)
      for (const object of good) line({ type: "put", version: "e.1", key: toFeedKey(object), object });
    else
      line({
        type: "put",
        version: "e.2",
        key: "service/default/hello",
        object: { kind: "service", hosts: 5 },
      });
    line({ type: "snapshot-end", version: "e.1" });
    streams.push(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const lines: string[] = [];
  const log = createLogger({ name: "test", stream: { write: (text: string) => void lines.push(text) } });
  const activator = await startActivator({
    log,
    settings: parseSettings(activatorSettings, {
      environment: {
        SLUICE_FEED: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/feed`,
        SLUICE_PUBLIC_PORT: "0",
        SLUICE_INTERNAL_PORT: "0",
        SLUICE_ADMIN_PORT: "0",
        SLUICE_DRAIN_TIMEOUT: "10ms",
      },
    }),
  });
  await activator.ready;
  streams[0]?.write("this is no JSON\n");
  while (seen.connections < 5) await new Promise((resolve) => setImmediate(resolve));
  const abort = new AbortController();
  const held = callHttp({
    port: activator.publicPort,
    host: "hello.default.example.com",
    signal: abort.signal,
  });
  const unknown = await callHttp({ port: activator.publicPort, host: "nobody.example.com" });
  expect(unknown.status).toBe(404);
  const metrics = await callHttp({
    port: activator.adminPort,
    host: `127.0.0.1:${activator.adminPort}`,
    path: "/metrics",
  });
  expect(metrics.body).toMatch(/^sluice_activator_held_requests\{.*\} 1$/m);
  // Two kinds of garbage, the second at each of four connections.
  const refusals = lines.filter((text) => text.includes("the stream is refused"));
  expect(refusals).toHaveLength(2);
  expect(refusals[0]).toMatch(/is not valid JSON/);
  expect(refusals[1]).toMatch(/service\/default\/hello is not good/);
  abort.abort();
  await expect(held).rejects.toThrow(/abort/i);
  await runStopStages(activator.stop, { log: silent, clock: systemClock });
  server.closeAllConnections();
  server.close();
});

test("a file is a feed, too: routes of a new version apply without a restart", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-"));
  const path = join(folder, "feed.yaml");
  const pod = await FakePod.start();
  const write = (host: string) =>
    writeFile(
      path,
      JSON.stringify([
        makeRevision(),
        makeService({ hosts: [{ host, visibility: "public" }] }),
        pod.toFeed(),
      ]),
    );
  await write("one.example.com");
  const activator = await startTestActivator({ SLUICE_FEED: path });
  await activator.ready;
  const status = async (host: string) => (await callHttp({ port: activator.publicPort, host })).status;
  expect([await status("one.example.com"), await status("two.example.com")]).toEqual([200, 404]);
  await write("two.example.com");
  while ((await status("two.example.com")) !== 200) await new Promise((resolve) => setImmediate(resolve));
  expect(await status("one.example.com")).toBe(404);
  await runStopStages(activator.stop, { log: silent, clock: systemClock });
  await pod.close();
  await rm(folder, { recursive: true });
});

test("a sidecar that said ready and dies is ejected at the first refused connection and comes back by itself", async () => {
  await using harness = await Harness.start();
  const pod = await harness.addPod();
  expect((await harness.call()).status).toBe(200);
  const { port } = pod;
  await pod.kill();
  const reply = harness.call();
  await harness.untilHeld(1);
  expect(await harness.metric("sluice_activator_pods_healthy")).toBe(0);
  const again = await FakePod.start(pod.name, undefined, port);
  expect((await reply).status).toBe(200);
  await again.close();
});

test("a pod that takes a request and never answers costs that request its time limit and nobody else anything", async () => {
  await using harness = await Harness.start({
    objects: [
      makeRevision({ timeouts: { request: 2, responseStart: 0, idle: 0 }, containerConcurrency: 1 }),
      makeService(),
    ],
  });
  const mute = await harness.addPod("mute", () => undefined);
  const lost = harness.call();
  while (mute.running === 0) await new Promise((resolve) => setImmediate(resolve));
  await harness.addPod("b");
  await harness.untilMetric("sluice_activator_pods_healthy", (healthy) => healthy === 2);
  const others = await Promise.all(Array.from({ length: 10 }, () => harness.call()));
  expect(others.every(({ status }) => status === 200)).toBe(true);
  expect([(await lost).status, (await lost).body]).toEqual([504, "activator request timeout"]);
});

test("a pod whose address cannot be reached keeps nobody from the others", async () => {
  await using harness = await Harness.start();
  harness.feed.put(makePod({ name: "nowhere", address: "no-such-host.invalid" }));
  const reply = harness.call();
  await harness.untilHeld(1);
  await harness.addPod();
  expect((await reply).status).toBe(200);
});

/** Runs a program where only the loopback device is there, as on a host without a network. */
const isolated = ["-rn", "sh", "-c", 'ip link set lo up && exec "$0" "$@"'];
const canIsolate = spawnSync("unshare", [...isolated, "true"]).status === 0;
if (!canIsolate) console.log("skipped: unshare and ip do not make a network namespace here");

test.skipIf(!canIsolate)("a host without DNS: nothing on a request's way looks a name up", () => {
  const program = join(import.meta.dirname, "programs", "without-names.ts");
  const output = execFileSync("unshare", [...isolated, process.execPath, program], { encoding: "utf8" });
  const seen = JSON.parse(output) as Record<string, unknown>;
  expect(seen["lookedUp"]).toMatch(/^EAI_|^ENOTFOUND$/);
  expect(seen).toMatchObject({ status: 200, body: "hello\n" });
});

test("the wall clock jumps an hour on and two back: nobody's time runs out, every second is reported once", async () => {
  let offsetMs = 0;
  const clock: Clock = {
    now: () => systemClock.now() + offsetMs,
    monotonic: () => systemClock.monotonic(),
    setTimer: (callback, delayMs) => systemClock.setTimer(callback, delayMs),
  };
  await using harness = await Harness.start({ clock, settings: { SLUICE_MAX_HOLD_TIME: "60s" } });
  const { aggregator } = harness;
  if (aggregator === undefined) throw new Error("no aggregator");
  const reply = harness.call();
  await harness.untilHeld(1);
  for (const byMs of [3_600_000, -7_200_000]) {
    offsetMs += byMs;
    const before = aggregator.stats.length;
    await aggregator.until((stats) => stats.length >= before + 2);
    const [first, second] = aggregator.stats.slice(before).map(({ stat }) => stat);
    // One report may have been on its way when the clock jumped.
    expect(Math.abs((second?.timestamp ?? 0) - clock.now() / 1000)).toBeLessThanOrEqual(2);
    expect(second?.timestamp).not.toBe(first?.timestamp);
    expect(second).toMatchObject({ averageConcurrentRequests: 1, held: 1 });
  }
  await harness.untilHeld(1);
  await harness.addPod();
  expect((await reply).status).toBe(200);
  const counted = aggregator.stats.reduce((sum, { stat }) => sum + stat.requestCount, 0);
  expect(counted).toBe(1);
});

test("5,000 clients that connect and vanish while they are held leave nothing behind", async () => {
  await using harness = await Harness.start();
  const request = "GET / HTTP/1.1\r\nHost: hello.default.example.com\r\n\r\n";
  const used: number[] = [];
  for (let round = 0; round < 10; round++) {
    used.push(usedBytes());
    const sockets = Array.from({ length: 500 }, () => {
      const socket = connect(harness.activator.publicPort, "127.0.0.1");
      socket.on("error", () => socket.destroy());
      socket.write(request);
      return socket;
    });
    await harness.untilHeld(500);
    for (const socket of sockets) socket.resetAndDestroy();
    await harness.untilHeld(0);
  }
  expect(await harness.metric("sluice_activator_held_bytes")).toBe(0);
  expect(await harness.metric("sluice_activator_inside_requests")).toBe(0);
  const series = `sluice_activator_requests_total{namespace="default",revision="hello-00001",code="499"}`;
  expect(await harness.metric(series)).toBe(5000);
  // The first rounds bring code and shapes; a request that stayed would weigh some 3 KiB, 500 of them more than a mebibyte.
  const grownBytes = usedBytes() - (used[3] ?? 0);
  expect(grownBytes).toBeLessThan(1024 * 1024);
});
