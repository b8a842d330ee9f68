import { describe, expect, test } from "vitest";
import { decodeStat } from "@sluice/core";
import {
  ask,
  readMetric,
  RawClient,
  startApp,
  startTestSidecar,
  until,
  untilMetric,
} from "../support/sidecar-harness.ts";
import { request } from "node:http";

/** The stat's bytes and head, as a scraper reads them. */
function scrape(port: number): Promise<{ status: number; type: string | undefined; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path: "/metrics", headers: { accept: "text/plain" }, agent: false })
      .on("error", reject)
      .on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers["content-type"],
            bytes: Buffer.concat(chunks),
          }),
        );
      })
      .end();
  });
}

describe("the stat", () => {
  test("is protobuf whatever is accepted, small enough for Knative's scraper, and at first only a name", async () => {
    const { ports } = await startTestSidecar(1, { SLUICE_REPORT_PERIOD: "1h" });
    const { status, type, bytes } = await scrape(ports.stats);
    expect({ status, type }).toEqual({ status: 200, type: "application/protobuf" });
    expect(bytes.length).toBeLessThanOrEqual(336);
    expect(decodeStat(bytes)).toMatchObject({
      podName: "greeter-00001-abc",
      requestCount: 0,
      processUptime: 0,
    });
    expect((await ask(ports.stats, { path: "/" })).status).toBe(404);
  });

  test("counts requests, those through an activator apart, and what is in flight", async () => {
    const held: (() => void)[] = [];
    const app = await startApp((_request, response) => void held.push(() => response.end("done")));
    const { ports } = await startTestSidecar(app.port, { SLUICE_REPORT_PERIOD: "10ms" });
    const answers = [
      ask(ports.main),
      ask(ports.main, { headers: { "k-proxy-request": "activator" } }),
      ask(ports.main, { headers: { "k-proxy-request": "somebody" } }),
    ];
    await until(() => held.length === 3);
    let stat = decodeStat((await scrape(ports.stats)).bytes);
    while (stat.averageConcurrentRequests !== 3) stat = decodeStat((await scrape(ports.stats)).bytes);
    expect(stat.averageProxiedConcurrentRequests).toBe(1);
    expect(stat.processUptime).toBeGreaterThan(0);
    for (const release of held) release();
    await Promise.all(answers);
    while (stat.averageConcurrentRequests !== 0) stat = decodeStat((await scrape(ports.stats)).bytes);
    expect(stat.averageProxiedConcurrentRequests).toBe(0);
  });
});

describe("Prometheus metrics", () => {
  test("have Knative's names and buckets", async () => {
    const app = await startApp((_request, response) => response.writeHead(404).end());
    const { ports } = await startTestSidecar(app.port, { CONTAINER_CONCURRENCY: "3" });
    await ask(ports.main, { headers: { "knative-serving-tag": "blue" } });
    const { status, headers, body } = await ask(ports.metrics, { path: "/metrics" });
    expect(status).toBe(200);
    expect(headers["content-type"]).toMatch(/^text\/plain; version=0.0.4/);
    expect(body).toContain(
      'kn_serving_invocation_duration_seconds_bucket{le="0.005",http_response_status_code="404"}',
    );
    expect(body).toContain('kn_serving_invocation_duration_seconds_count{http_response_status_code="404"} 1');
    expect(body).toContain(
      'http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",kn_route_tag="blue"} 1',
    );
    expect(body).toContain("kn_serving_queue_depth 0");
    expect(body).toContain('kn_revision_name="greeter-00001"');
    expect((await ask(ports.metrics, { path: "/metrics", method: "POST" })).status).toBe(405);
  });

  test("probes are not in them, and made-up methods and tags do not become series without end", async () => {
    const app = await startApp((_request, response) => response.end());
    const { ports } = await startTestSidecar(app.port);
    await ask(ports.main, { headers: { "user-agent": "kube-probe/1", "k-network-probe": "queue" } });
    for (let index = 0; index < 300; index++) {
      await ask(ports.main, {
        headers: { "knative-serving-tag": `t${index}` },
        method: index === 0 ? "PROPFIND" : "GET",
      });
    }
    const { body } = await ask(ports.metrics, { path: "/metrics" });
    const series = body
      .split("\n")
      .filter((line) => line.startsWith("http_server_request_duration_seconds_count"));
    expect(series.length).toBeLessThanOrEqual(110);
    expect(body).toContain('http_request_method="_OTHER"');
    const counts = series.map((line) => Number(line.split(" ").at(-1)));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(300);
  });

  test("a client that goes away is 499, never 5xx, and its request to the app is cancelled", async () => {
    let cancelled = 0;
    const app = await startApp((_request, response) => {
      response.on("close", () => cancelled++);
    });
    const { ports } = await startTestSidecar(app.port);
    const client = new RawClient(ports.main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => app.requests.length === 1);
    client.socket.destroy();
    await until(() => cancelled === 1);
    const series = 'kn_serving_invocation_duration_seconds_count{http_response_status_code="499"}';
    await untilMetric(ports.metrics, series, 1);
    expect(await readMetric(ports.metrics, series)).toBe(1);
    expect((await ask(ports.metrics, { path: "/metrics" })).body).not.toContain('status_code="5');
  });
});

describe("control ports on loopback", () => {
  test.each([
    ["a foreign Host", { host: "evil.example" }],
    ["an Origin", { origin: "http://evil.example" }],
  ])("%s is refused", async (_what, headers) => {
    const { ports } = await startTestSidecar(1);
    for (const port of [ports.admin, ports.stats, ports.metrics]) {
      expect((await ask(port, { path: "/metrics", headers })).status).toBe(403);
    }
  });
});
