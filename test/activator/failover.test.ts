import { once } from "node:events";
import { createServer as createHttp2, type ServerHttp2Stream } from "node:http2";
import { createServer, type AddressInfo, type Server } from "node:net";
import { describe, expect, test } from "vitest";
import { Harness } from "./support/activator-harness.ts";
import { echo, type FakePod } from "./support/fake-pod.ts";
import { makePod, makeRevision, makeService } from "./support/feed-objects.ts";

/** A pod that refuses until told otherwise, after it has read what the client sends. */
async function addRefusing(harness: Harness, hasToRead: boolean): Promise<FakePod> {
  return harness.addPod("a", (request, response) => {
    const refuse = () => response.writeHead(503, { "sluice-refused": "queue-full" }).end("full");
    if (hasToRead) request.on("end", refuse).resume();
    else refuse();
  });
}

async function untilAsked(pod: FakePod): Promise<void> {
  while (pod.requests.length === 0) await once(pod.server, "request");
}

interface Echo {
  readonly body: string;
}

describe("a request that a sidecar refused", () => {
  test.each([
    { name: "without a body", bytes: 0, hasToRead: false },
    { name: "with a body that was not read", bytes: 1000, hasToRead: false },
    { name: "with a body that was read whole", bytes: 60_000, hasToRead: true },
  ])("$name reaches another pod as it was", async ({ bytes, hasToRead }) => {
    await using harness = await Harness.start();
    const refusing = await addRefusing(harness, hasToRead);
    const body = "x".repeat(bytes);
    const reply = harness.call({ method: "POST", body });
    await untilAsked(refusing);
    harness.feed.put(refusing.toFeed({ terminating: true }));
    await harness.addPod("b", echo);
    const { status, body: text } = await reply;
    expect(status).toBe(200);
    expect((JSON.parse(text) as Echo).body).toBe(body);
  });

  test("with more body gone than is kept gets the refusal, without its mark", async () => {
    await using harness = await Harness.start();
    await addRefusing(harness, true);
    const reply = await harness.call({ method: "POST", body: "x".repeat(300_000) });
    expect([reply.status, reply.body]).toEqual([503, "pending request queue full\n"]);
    expect(reply.headers["sluice-refused"]).toBeUndefined();
  });

  test("tries are counted", async () => {
    await using harness = await Harness.start();
    const refusing = await addRefusing(harness, false);
    const reply = harness.call();
    await untilAsked(refusing);
    harness.feed.put(refusing.toFeed({ terminating: true }));
    await harness.addPod("b");
    await reply;
    const series = `sluice_activator_retries_total{namespace="default",revision="hello-00001",reason="queue-full"}`;
    expect(await harness.metric(series)).toBeGreaterThanOrEqual(1);
  });
});

function retries(reason: string): string {
  return `sluice_activator_retries_total{namespace="default",revision="hello-00001",reason="${reason}"}`;
}

describe("a pod whose probes succeed while its requests fail", () => {
  test("sends a request round so often and no oftener, then the client hears why", async () => {
    await using harness = await Harness.start({
      settings: { SLUICE_MAX_RETRIES: "3" },
      objects: [makeRevision({ protocol: "h2c" }), makeService()],
    });
    const pod = await harness.addPod();
    // Nobody listens on the port that nobody may.
    harness.feed.put(pod.toFeed({ ports: { main: pod.port, h2c: 1, stats: 1, metrics: 1, admin: 1 } }));
    const reply = await harness.call();
    expect([reply.status, reply.body]).toEqual([502, "cannot connect to the app\n"]);
    expect(await harness.metric(retries("upstream-connect"))).toBe(3);
    // The first address was asked, then the other one; each time it took a probe to come back.
    expect(pod.probes).toBeGreaterThanOrEqual(4);
  });

  test("is asked ever more rarely, and the others serve", async () => {
    await using harness = await Harness.start();
    const liar = await harness.addPod("liar", (request) => request.socket.resetAndDestroy());
    await harness.addPod("good");
    await harness.untilMetric("sluice_activator_pods_healthy", (healthy) => healthy === 2);
    const startMs = performance.now();
    const statuses: number[] = [];
    while (liar.requests.length < 4) statuses.push((await harness.call()).status);
    const elapsedMs = performance.now() - startMs;
    const lost = statuses.filter((status) => status !== 200);
    expect(lost).toEqual(Array(4).fill(502));
    // At once, then after 50, then after another 100 ms.
    expect(elapsedMs).toBeGreaterThan(150);
  });
});

describe("an app that speaks HTTP/2", () => {
  /** Hands each stream to `onStream`, its number among the server's first. */
  async function addHttp2Pod(
    harness: Harness,
    name: string,
    onStream: (turn: number, stream: ServerHttp2Stream) => void,
  ) {
    const probes = await harness.addPod(name);
    const server = createHttp2();
    const state = { streams: 0 };
    server.on("stream", (stream: ServerHttp2Stream) => {
      stream.on("error", () => undefined);
      onStream(++state.streams, stream);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const h2c = (server.address() as AddressInfo).port;
    const pod = probes.toFeed({ ports: { main: probes.port, h2c, stats: 1, metrics: 1, admin: 1 } });
    harness.feed.put(pod);
    return { pod, state, close: () => server.close() };
  }

  test("that cannot be connected to: a body larger than is kept arrives at another pod whole or not at all", async () => {
    await using harness = await Harness.start({
      objects: [makeRevision({ protocol: "h2c" }), makeService()],
    });
    const body = "0123456789abcdef".repeat(60_000);
    const reply = harness.call({ method: "POST", body });
    await harness.untilHeld(1);
    const dead = await harness.addPod("a");
    harness.feed.put(dead.toFeed({ ports: { main: dead.port, h2c: 1, stats: 1, metrics: 1, admin: 1 } }));
    await Promise.race([reply, harness.untilMetric(retries("upstream-connect"), (count) => count > 0)]);
    const other = await addHttp2Pod(harness, "b", (_turn, stream) => answer(stream));
    const { status, body: text } = await reply;
    expect(status === 200 ? text === body : status).toBe(status === 200 ? true : 502);
    other.close();
  });

  const answer = (stream: ServerHttp2Stream): void => {
    stream.respond({ ":status": 200 });
    stream.pipe(stream);
  };

  test.each<[string, (stream: ServerHttp2Stream) => void]>([
    ["refuses the stream", (stream) => stream.close(7)],
    ["goes away and names an earlier stream as its last", (stream) => stream.session?.goaway(0, 1)],
    [
      "goes away for an error and names an earlier stream as its last",
      (stream) => stream.session?.goaway(2, 1),
    ],
  ])("one that %s did not begin the request, which goes to another pod", async (_, leave) => {
    await using harness = await Harness.start({
      objects: [makeRevision({ protocol: "h2c" }), makeService()],
    });
    const leaving = await addHttp2Pod(harness, "a", (turn, stream) =>
      turn === 1 ? answer(stream) : leave(stream),
    );
    expect((await harness.call({ method: "POST", body: "first" })).body).toBe("first");
    const reply = harness.call({ method: "POST", body: "second" });
    while (leaving.state.streams < 2) await new Promise((resolve) => setImmediate(resolve));
    harness.feed.put({ ...leaving.pod, terminating: true });
    const other = await addHttp2Pod(harness, "b", (_turn, stream) => answer(stream));
    const { status, body } = await reply;
    expect([status, body, other.state.streams]).toEqual([200, "second", 1]);
    leaving.close();
    other.close();
  });
});

describe("a request that may have reached an app", () => {
  test("and was reset is answered 502, once, and not sent again", async () => {
    await using harness = await Harness.start();
    const resetting = await harness.addPod("a", (request) => request.socket.resetAndDestroy());
    const reply = await harness.call({ method: "POST", body: "pay" });
    await harness.addPod("b");
    expect([reply.status, reply.body]).toEqual([502, "the app closed the connection\n"]);
    expect(resetting.requests.length).toBe(1);
  });

  test("and broke off in the middle of its answer is broken off for the client, too", async () => {
    await using harness = await Harness.start();
    await harness.addPod("a", (request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
      setImmediate(() => request.socket.resetAndDestroy());
    });
    await expect(harness.call()).rejects.toThrow(/aborted|hang up|reset/i);
    expect(await harness.metric("sluice_activator_inside_requests")).toBe(0);
  });
});

/** Accepts connections and never says a word. */
async function startMute(): Promise<Server> {
  const server = createServer((socket) => socket.on("error", () => socket.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

test("a pod that accepts and never answers its probe gets no request", async () => {
  await using harness = await Harness.start({ settings: { PROBE_TIMEOUT: "20ms" } });
  const mute = await startMute();
  const { port } = mute.address() as AddressInfo;
  harness.feed.put(makePod({ name: "mute", ports: { main: port, stats: 1, metrics: 1, admin: 1 } }));
  const reply = harness.call();
  await harness.untilHeld(1);
  await harness.addPod("b");
  expect((await reply).status).toBe(200);
  expect(await harness.metric("sluice_activator_pods_healthy")).toBe(1);
  mute.close();
});

test("pods killed under load lose only requests that were under way when it happened", async () => {
  await using harness = await Harness.start();
  const slow = (_request: unknown, response: { end: (text: string) => void }) =>
    void setTimeout(() => response.end("ok"), 5);
  const victims = [await harness.addPod("a", slow), await harness.addPod("b", slow)];
  await harness.addPod("c", slow);
  const state = { kills: 0, isOver: false };
  const ended: { status: number; killsMeanwhile: number }[] = [];
  const clients = Array.from({ length: 20 }, async () => {
    while (!state.isOver) {
      const before = state.kills;
      const { status } = await harness.call();
      ended.push({ status, killsMeanwhile: state.kills - before });
    }
  });
  for (const victim of victims) {
    while (victim.running < 3) await new Promise((resolve) => setImmediate(resolve));
    state.kills++;
    await victim.kill();
    const before = ended.length;
    while (ended.length < before + 100) await new Promise((resolve) => setImmediate(resolve));
  }
  state.isOver = true;
  await Promise.all(clients);
  const lost = ended.filter(({ status }) => status !== 200);
  expect(lost.map(({ status }) => status)).toEqual(Array(lost.length).fill(502));
  expect(lost.every(({ killsMeanwhile }) => killsMeanwhile > 0)).toBe(true);
});
