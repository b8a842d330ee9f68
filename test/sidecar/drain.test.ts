import { connect } from "node:http2";
import type { ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Sidecar } from "@sluice/sidecar";
import { ManualClock } from "../support/manual-clock.ts";
import { ask, RawClient, startApp, startTestSidecar, until } from "../support/sidecar-harness.ts";

const kubelet = { "user-agent": "kube-probe/1.36", "k-network-probe": "queue" };

interface Stage {
  readonly clock: ManualClock;
  readonly sidecar: Sidecar;
  readonly responses: ServerResponse[];
}

async function setStage(): Promise<Stage> {
  const clock = new ManualClock();
  const responses: ServerResponse[] = [];
  const app = await startApp((_request, response) => void responses.push(response));
  const overrides = { SLUICE_QUIET_PERIOD: "30s", REVISION_TIMEOUT_SECONDS: "100000" };
  return { clock, sidecar: await startTestSidecar(app.port, overrides, clock), responses };
}

/** What SIGTERM does, stage by stage; resolves when the process would exit. */
async function stop(sidecar: Sidecar): Promise<void> {
  for (const stage of sidecar.stop) await stage.run(new AbortController().signal);
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let isDone = false;
  void promise.then(() => (isDone = true));
  // A turn of the event loop is all that a settled promise needs.
  await new Promise((resolve) => setImmediate(resolve));
  return isDone;
}

describe("draining", () => {
  test("probes hear 503 while requests are still served, and are told to go elsewhere next time", async () => {
    const { clock, sidecar, responses } = await setStage();
    const stopped = stop(sidecar);
    expect(await ask(sidecar.ports.main, { headers: kubelet })).toMatchObject({
      status: 503,
      body: "shutting down\n",
    });
    expect(
      await ask(sidecar.ports.main, { headers: { "k-network-probe": "probe", "k-network-hash": "h" } }),
    ).toMatchObject({ status: 503, body: "shutting down\n" });
    const client = new RawClient(sidecar.ports.main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => responses.length === 1);
    responses[0]?.end("served");
    expect(await client.waitForClose()).toMatch(/^HTTP\/1.1 200 OK[^]*Connection: close[^]*served/i);
    clock.advance(30_000);
    await stopped;
    expect(responses).toHaveLength(1);
  });

  test("each request that starts begins the quiet period anew; probes do not", async () => {
    const { clock, sidecar, responses } = await setStage();
    const stopped = stop(sidecar);
    for (let round = 0; round < 3; round++) {
      clock.advance(29_000);
      const answer = ask(sidecar.ports.main);
      await until(() => responses.length === round + 1);
      responses[round]?.end("served");
      expect((await answer).status).toBe(200);
    }
    clock.advance(29_000);
    await ask(sidecar.ports.main, { headers: kubelet });
    expect(await isSettled(stopped)).toBe(false);
    clock.advance(1000);
    await stopped;
  });

  test("after the quiet period it stays only for what is in flight, and leaves as soon as that has ended", async () => {
    const { clock, sidecar, responses } = await setStage();
    const answer = ask(sidecar.ports.main);
    await until(() => responses.length === 1);
    const stopped = stop(sidecar);
    clock.advance(30_000);
    await expect(ask(sidecar.ports.main)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    clock.advance(50_000);
    expect(await isSettled(stopped)).toBe(false);
    responses[0]?.end("served at last");
    expect(await answer).toMatchObject({ status: 200, body: "served at last" });
    await stopped;
  });

  test("what is in flight for too long is cut at the end of the grace", async () => {
    const { clock, sidecar, responses } = await setStage();
    const answer = ask(sidecar.ports.main);
    await until(() => responses.length === 1);
    const stopped = stop(sidecar);
    const outcome = answer.then(
      () => "answered",
      (error: NodeJS.ErrnoException) => error.code,
    );
    const ticking = setInterval(() => clock.advance(10_000), 1);
    await stopped;
    clearInterval(ticking);
    expect(await outcome).toBe("ECONNRESET");
  });

  test("HTTP/2 clients hear GOAWAY at once", async () => {
    const { clock, sidecar } = await setStage();
    const client = connect(`http://127.0.0.1:${sidecar.ports.main}`);
    onTestFinished(() => client.destroy());
    const goAway = new Promise<number>((resolve) => {
      client.on("goaway", resolve);
    });
    await new Promise((resolve) => client.once("remoteSettings", resolve));
    const stopped = stop(sidecar);
    expect(await goAway).toBe(0);
    clock.advance(30_000);
    await stopped;
  });
});

describe("/wait-for-drain", () => {
  test("without SIGTERM the drain is taken back after a second, and the caller is released", async () => {
    const { clock, sidecar } = await setStage();
    const waiting = ask(sidecar.ports.admin, { method: "POST", path: "/wait-for-drain" });
    await untilProbe(sidecar, 503);
    clock.advance(1000);
    expect(await waiting).toMatchObject({ status: 200, body: "" });
    await untilProbe(sidecar, 200);
  });

  test("with SIGTERM it answers when the quiet period is over", async () => {
    const { clock, sidecar } = await setStage();
    const waiting = ask(sidecar.ports.admin, { path: "/wait-for-drain" });
    await untilProbe(sidecar, 503);
    const stopped = stop(sidecar);
    clock.advance(1000);
    expect(await isSettled(waiting)).toBe(false);
    clock.advance(29_000);
    expect((await waiting).status).toBe(200);
    await stopped;
  });

  test("the admin port knows no other path", async () => {
    const { sidecar } = await setStage();
    expect((await ask(sidecar.ports.admin, { path: "/" })).status).toBe(404);
  });
});

async function untilProbe(sidecar: Sidecar, status: number): Promise<void> {
  while ((await ask(sidecar.ports.main, { headers: kubelet })).status !== status);
}
