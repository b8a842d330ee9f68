import { createServer, type ServerResponse } from "node:http";
import { connect, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Server } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { InProcessSidecar } from "@sluice/sidecar";
import { ManualClock } from "../support/manual-clock.ts";
import { ask, readMetric, until } from "../support/sidecar-harness.ts";

const identity = {
  namespace: "default",
  revision: "greeter-00001",
  pod: "greeter-00001-abc",
  quietPeriodMs: 0,
};
const control = { bindAddress: "127.0.0.1", ports: { stats: 0, metrics: 0, admin: 0 } };
const kubelet = { "user-agent": "kube-probe/1", "k-network-probe": "queue" };

async function open(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe("the sidecar inside the app's process", () => {
  test("limits, answers probes and counts, around a plain handler", async () => {
    const sidecar = new InProcessSidecar({
      ...identity,
      ...control,
      containerConcurrency: 1,
      queueDepthFactor: 1,
    });
    const held: ServerResponse[] = [];
    const server = createServer(sidecar.wrap((_request, response) => void held.push(response)));
    const port = await open(server);
    const { metrics } = await sidecar.start();
    expect(await ask(port, { headers: kubelet })).toMatchObject({ status: 200, body: "queue" });
    const answers = [ask(port), ask(port), ask(port)];
    expect(await Promise.race(answers)).toMatchObject({
      status: 503,
      headers: { "sluice-refused": "queue-full" },
    });
    for (let served = 0; served < 2; served++) {
      await until(() => held.length > served);
      expect(held).toHaveLength(served + 1);
      held[served]?.end("done");
    }
    expect((await Promise.all(answers)).map((answer) => answer.body)).toContain("done");
    const series = 'kn_serving_invocation_duration_seconds_count{http_response_status_code="200"}';
    expect(await readMetric(metrics, series)).toBe(2);
    await sidecar.stop();
  });

  test("gives the app its original host, and tells it apart from readiness", async () => {
    let isReady = false;
    const sidecar = new InProcessSidecar({ ...identity, isReady: () => isReady });
    const server = createServer((request, response) => response.end(request.headers.host));
    sidecar.attach(server);
    const port = await open(server);
    expect((await ask(port, { headers: { "k-original-host": "a.example" } })).body).toBe("a.example");
    expect((await ask(port, { headers: kubelet })).status).toBe(503);
    isReady = true;
    expect((await ask(port, { headers: kubelet })).status).toBe(200);
  });

  test("a handler that takes too long is a 504, and what it says later harms nobody", async () => {
    const clock = new ManualClock();
    const held: ServerResponse[] = [];
    const sidecar = new InProcessSidecar({ ...identity, clock, requestTimeoutMs: 1000 });
    const port = await open(createServer(sidecar.wrap((_request, response) => void held.push(response))));
    const answer = ask(port);
    await until(() => held.length === 1);
    clock.advance(1000);
    expect(await answer).toMatchObject({ status: 504, body: "request timeout" });
    held[0]?.write("too late");
    held[0]?.end();
    expect((await ask(port, { headers: kubelet })).body).toBe("queue");
  });

  test("draining: probes hear 503, requests are served, and stop waits for them", async () => {
    const held: ServerResponse[] = [];
    const sidecar = new InProcessSidecar({ ...identity, ...control });
    const port = await open(createServer(sidecar.wrap((_request, response) => void held.push(response))));
    await sidecar.start();
    const answer = ask(port);
    await until(() => held.length === 1);
    let isStopped = false;
    const stopped = sidecar.stop().then(() => (isStopped = true));
    expect((await ask(port, { headers: kubelet })).status).toBe(503);
    expect(isStopped).toBe(false);
    held[0]?.end("served");
    expect((await answer).body).toBe("served");
    await stopped;
  });

  test("works before an HTTP/2 server too", async () => {
    const sidecar = new InProcessSidecar({ ...identity, containerConcurrency: 5 });
    const server = createHttp2Server((_request, response) => response.end("h2"));
    sidecar.attach(server);
    const session = connect(`http://127.0.0.1:${await open(server)}`);
    onTestFinished(() => session.destroy());
    const body = await new Promise((resolve) =>
      session.request({ ":path": "/" }).setEncoding("utf8").on("data", resolve),
    );
    expect(body).toBe("h2");
  });
});
