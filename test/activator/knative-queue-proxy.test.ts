import { decodeStat, type Stat } from "@sluice/core";
import { once } from "node:events";
import { request } from "node:http";
import { describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Harness } from "./support/activator-harness.ts";
import { echo, FakePod, type Answer } from "./support/fake-pod.ts";
import { makePod, makeRevision, makeService } from "./support/feed-objects.ts";
import { QueueProxy, queueProxyPorts, whyNoQueueProxy } from "./support/knative-queue-proxy.ts";

if (whyNoQueueProxy !== undefined) console.log(`skipped: ${whyNoQueueProxy}`);

const slow: Answer = (_request, response) => void setTimeout(() => response.end("ok"), 10);

/** Our activator in front of Knative's sidecar in front of an app. */
class Stage implements AsyncDisposable {
  readonly app: FakePod;
  readonly harness: Harness;
  proxy: QueueProxy | undefined;

  private constructor(app: FakePod, harness: Harness) {
    this.app = app;
    this.harness = harness;
  }

  static async set(containerConcurrency: number, answer: Answer): Promise<Stage> {
    const app = await FakePod.start("app", answer);
    const objects = [makeRevision({ containerConcurrency }), makeService()];
    return new Stage(app, await Harness.start({ objects }));
  }

  async addProxy(containerConcurrency: number): Promise<QueueProxy> {
    this.proxy = await QueueProxy.start(this.app.port, containerConcurrency);
    this.harness.feed.put(makePod({ ports: { main: this.proxy.port, ...queueProxyPorts } }));
    return this.proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.harness[Symbol.asyncDispose]();
    await this.proxy?.[Symbol.asyncDispose]();
    await this.app.close();
  }
}

function readStat(): Promise<Stat> {
  return new Promise((resolve, reject) => {
    const headers = { accept: "application/protobuf" };
    const ask = request({ port: queueProxyPorts.stats, path: "/metrics", headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(decodeStat(Buffer.concat(chunks))));
    });
    ask.on("error", reject).end();
  });
}

describe.skipIf(whyNoQueueProxy !== undefined)("in front of Knative's own queue-proxy", () => {
  test("its probe is understood: what was held at zero is answered, and the app sees the host that was asked for", async () => {
    await using stage = await Stage.set(0, echo);
    const reply = stage.harness.call({ method: "POST", path: "/a?b", body: "hello" });
    await stage.harness.untilHeld(1);
    await stage.addProxy(0);
    const { status, body } = await reply;
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      method: "POST",
      url: "/a?b",
      body: "hello",
      headers: { host: "hello.default.example.com", "k-proxy-request": "activator" },
    });
    expect(stage.app.probes).toBe(0);
  });

  test("with the limit that both know nothing is refused and the app never has more", async () => {
    await using stage = await Stage.set(2, slow);
    const replies = Array.from({ length: 60 }, () => stage.harness.call());
    await stage.harness.untilHeld(60);
    await stage.addProxy(2);
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    expect(statuses).toEqual(Array(60).fill(200));
    expect(stage.app.highest).toBe(2);
  });

  test("a limit that it alone knows: beyond its queue of ten it refuses, and the client hears that", async () => {
    await using stage = await Stage.set(0, slow);
    await stage.addProxy(1);
    await stage.harness.untilMetric("sluice_activator_pods_healthy", (healthy) => healthy === 1);
    const replies = await Promise.all(Array.from({ length: 40 }, () => stage.harness.call()));
    const refused = replies.filter(({ status }) => status !== 200);
    expect(new Set(refused.map(({ status, body }) => `${status} ${body}`))).toEqual(
      new Set(["503 pending request queue full\n"]),
    );
    expect(replies.length - refused.length).toBeGreaterThanOrEqual(11);
    expect(stage.app.highest).toBe(1);
  });

  test("it counts our requests as proxied, so that nothing counts twice", async () => {
    await using stage = await Stage.set(0, slow);
    await stage.addProxy(0);
    await Promise.all(Array.from({ length: 20 }, () => stage.harness.call()));
    let stat = await readStat();
    while (stat.requestCount === 0) stat = await readStat();
    expect([stat.podName, stat.requestCount, stat.proxiedRequestCount]).toEqual(["hello-00001-a", 20, 20]);
    expect(stat.averageProxiedConcurrentRequests).toBe(stat.averageConcurrentRequests);
  });

  test("a WebSocket goes through both", async () => {
    await using stage = await Stage.set(0, slow);
    const server = new WebSocketServer({ server: stage.app.server });
    server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    await stage.addProxy(0);
    const client = new WebSocket(`ws://127.0.0.1:${stage.harness.activator.publicPort}/`, {
      headers: { host: "hello.default.example.com" },
    });
    await once(client, "open");
    client.send("hello");
    expect(String((await once(client, "message"))[0])).toBe("hello");
    client.terminate();
    server.close();
  });

  test("one that drains still serves what we send, and none is lost", async () => {
    await using stage = await Stage.set(0, slow);
    const proxy = await stage.addProxy(0);
    await stage.harness.call();
    proxy.drain();
    const statuses = new Set<number>();
    for (let turn = 0; turn < 100; turn++) statuses.add((await stage.harness.call()).status);
    expect([...statuses]).toEqual([200]);
  });
});
