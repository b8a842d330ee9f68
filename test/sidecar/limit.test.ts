import { describe, expect, test } from "vitest";
import {
  ask,
  RawClient,
  startApp,
  startTestSidecar,
  until,
  readStat,
  untilMetric,
} from "../support/sidecar-harness.ts";

const labels499 = 'http_request_method="GET",http_response_status_code="499",kn_route_tag="kn:disabled"';

describe("containerConcurrency", () => {
  test("1 under 20 clients: the app never sees two requests at once", async () => {
    let running = 0;
    const app = await startApp((_request, response) => {
      running++;
      const isAlone = running === 1;
      setImmediate(() => {
        running--;
        response.writeHead(isAlone ? 200 : 500).end("done");
      });
    });
    const { ports } = await startTestSidecar(app.port, {
      CONTAINER_CONCURRENCY: "1",
      SLUICE_QUEUE_DEPTH_FACTOR: "20",
    });
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const each: number[] = [];
        for (let round = 0; round < 10; round++) each.push((await ask(ports.main)).status);
        return each;
      }),
    );
    expect(new Set(statuses.flat())).toEqual(new Set([200]));
    expect(app.requests).toHaveLength(200);
  });

  test("beyond 10 waiting per running one the answer is 503, said to be a refusal, and the app sees nothing of it", async () => {
    const held: (() => void)[] = [];
    const app = await startApp((_request, response) => void held.push(() => response.end("done")));
    const { ports } = await startTestSidecar(app.port, { CONTAINER_CONCURRENCY: "1" });
    const answers = Array.from({ length: 12 }, () => ask(ports.main));
    const refused = await Promise.race(answers);
    expect(refused).toMatchObject({
      status: 503,
      body: "pending request queue full\n",
      headers: { "sluice-refused": "queue-full", "content-type": "text/plain; charset=utf-8" },
    });
    for (let served = 0; served < 11; served++) {
      await until(() => held.length > served);
      held[served]?.();
    }
    const statuses = (await Promise.all(answers)).map((answer) => answer.status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(11);
    expect(app.requests).toHaveLength(11);
  });

  test("a client that goes away leaves the queue at once, and the app never hears of it", async () => {
    const held: (() => void)[] = [];
    const app = await startApp((_request, response) => void held.push(() => response.end("done")));
    const { ports } = await startTestSidecar(app.port, {
      CONTAINER_CONCURRENCY: "1",
      SLUICE_QUEUE_DEPTH_FACTOR: "1",
      SLUICE_REPORT_PERIOD: "10ms",
    });
    const first = ask(ports.main, { path: "/first" });
    await until(() => held.length === 1);
    const leaver = new RawClient(ports.main).write("GET /leaver HTTP/1.1\r\nHost: a\r\n\r\n");
    while ((await readStat(ports.stats)).averageConcurrentRequests !== 2);
    leaver.socket.destroy();
    await untilMetric(ports.metrics, `http_server_request_duration_seconds_count{${labels499}}`, 1);
    const next = ask(ports.main, { path: "/next" });
    held[0]?.();
    expect((await first).status).toBe(200);
    await until(() => held.length === 2);
    held[1]?.();
    expect((await next).status).toBe(200);
    expect(app.requests.map((request) => request.url)).not.toContain("/leaver");
  });

  test("without a limit nothing waits", async () => {
    const held: (() => void)[] = [];
    const app = await startApp((_request, response) => void held.push(() => response.end("done")));
    const { ports } = await startTestSidecar(app.port);
    const answers = Array.from({ length: 50 }, () => ask(ports.main));
    await until(() => held.length === 50);
    for (const release of held) release();
    expect((await Promise.all(answers)).every((answer) => answer.status === 200)).toBe(true);
  });
});
