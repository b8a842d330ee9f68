import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { describe, expect, test } from "vitest";
import { Harness } from "./support/activator-harness.ts";
import { echo, type FakePod } from "./support/fake-pod.ts";
import { makePod } from "./support/feed-objects.ts";

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
