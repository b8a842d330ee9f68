import { Agent } from "node:http";
import { systemClock } from "@sluice/core";
import { createLogger, runStopStages } from "@sluice/kit";
import type { Activator } from "@sluice/activator";
import { describe, expect, test } from "vitest";
import { callHttp, Harness, startTestActivator } from "./support/activator-harness.ts";
import { makeRevision, makeService } from "./support/feed-objects.ts";

const log = createLogger({ name: "test", level: "silent" });

function admin(activator: Activator, path: string) {
  return callHttp({ port: activator.adminPort, host: `127.0.0.1:${activator.adminPort}`, path });
}

describe("ready", () => {
  test("only once the feed has been read", async () => {
    await using harness = await Harness.start();
    expect((await admin(harness.activator, "/readyz")).status).toBe(200);
    const blind = await startTestActivator({ SLUICE_FEED: "http://127.0.0.1:1/v1/feed" });
    const reply = await admin(blind, "/readyz");
    expect([reply.status, reply.body]).toEqual([503, "the feed has not been read yet\n"]);
    expect((await admin(blind, "/healthz")).status).toBe(200);
    await runStopStages(blind.stop, { log, clock: systemClock });
  });
});

describe("a stop", () => {
  test("says that it wants no traffic, still takes what comes, and serves what it holds to the end", async () => {
    await using harness = await Harness.start({
      settings: { SLUICE_PROPAGATION_WAIT: "200ms", SLUICE_DRAIN_TIMEOUT: "10s" },
    });
    const { activator } = harness;
    const held = harness.call();
    await harness.untilHeld(1);
    const stopped = harness.stop();
    const ready = await admin(activator, "/readyz");
    expect(ready.status).toBe(503);
    const health = await callHttp({ port: activator.internalPort, headers: { "K-Kubelet-Probe": "x" } });
    expect([health.status, health.body]).toEqual([500, "received SIGTERM from kubelet\n"]);
    const late = harness.call();
    await harness.untilHeld(2);
    await harness.addPod();
    const replies = await Promise.all([held, late]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200]);
    expect(replies.map(({ headers }) => headers.connection)).toEqual(["close", "close"]);
    expect(await stopped).toEqual([]);
    await expect(harness.call()).rejects.toThrow(/ECONNREFUSED/);
  });

  test("ends at its deadline whatever still runs, and says that the drain was cut short", async () => {
    await using harness = await Harness.start({ settings: { SLUICE_DRAIN_TIMEOUT: "50ms" } });
    const pod = await harness.addPod("a", () => undefined);
    const reply = harness.call();
    while (pod.running === 0) await new Promise((resolve) => setImmediate(resolve));
    const [lost, stages] = await Promise.allSettled([reply, harness.stop()]);
    expect(stages).toEqual({ status: "fulfilled", value: ["drain"] });
    expect(lost).toMatchObject({
      status: "rejected",
      reason: { message: expect.stringMatching(/hang up|reset/i) },
    });
  });

  test("the last report leaves nothing in flight", async () => {
    await using harness = await Harness.start();
    await harness.addPod();
    await harness.call();
    await harness.stop();
    await harness.aggregator?.until((stats) => stats.length >= 2);
    const requests = harness.aggregator?.stats.reduce((sum, { stat }) => sum + stat.requestCount, 0);
    expect(requests).toBe(1);
  });
});

/** Sends each request to a member that says it is ready, as a load balancer does. */
class Balancer {
  readonly members: Activator[] = [];
  readonly #agent = new Agent({ keepAlive: true });
  #turn = 0;

  async call(): Promise<number> {
    const member = this.members[this.#turn++ % this.members.length];
    const { status } = await callHttp({ port: member?.publicPort ?? 0 }, this.#agent);
    return status;
  }

  close(): void {
    this.#agent.destroy();
  }
}

test("two activators are restarted one after the other under load, and nothing is lost", async () => {
  await using harness = await Harness.start({
    objects: [makeRevision({ containerConcurrency: 4 }), makeService()],
  });
  const slow = (_request: unknown, response: { end: (text: string) => void }) =>
    void setTimeout(() => response.end("ok"), 3);
  for (const name of ["a", "b", "c"]) await harness.addPod(name, slow);
  const balancer = new Balancer();
  const start = async (name: string): Promise<Activator> => {
    const activator = await startTestActivator({
      POD_NAME: name,
      SLUICE_FEED: harness.feed.url,
      SLUICE_PROPAGATION_WAIT: "50ms",
      SLUICE_DRAIN_TIMEOUT: "10s",
    });
    await activator.ready;
    harness.feed.put({
      kind: "activator",
      name,
      address: "127.0.0.1",
      ports: { public: activator.publicPort },
    });
    return activator;
  };
  balancer.members.push(await start("activator-1"), await start("activator-2"));
  const state = { isOver: false, calls: 0 };
  const statuses = new Set<number>();
  const clients = Array.from({ length: 10 }, async () => {
    while (!state.isOver) {
      statuses.add(await balancer.call());
      state.calls++;
    }
  });
  const untilMore = async (): Promise<void> => {
    const target = state.calls + 100;
    while (state.calls < target) await new Promise((resolve) => setImmediate(resolve));
  };
  for (const [index, name] of ["activator-3", "activator-4"].entries()) {
    await untilMore();
    const old = balancer.members[index];
    balancer.members[index] = await start(name);
    if (old !== undefined) await runStopStages(old.stop, { log, clock: systemClock });
    harness.feed.delete({ kind: "activator", name: `activator-${index + 1}`, address: "", ports: {} });
    await untilMore();
  }
  state.isOver = true;
  await Promise.all(clients);
  expect([...statuses]).toEqual([200]);
  balancer.close();
  for (const member of balancer.members) await runStopStages(member.stop, { log, clock: systemClock });
});
