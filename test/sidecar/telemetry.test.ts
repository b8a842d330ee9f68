import { readFileSync } from "node:fs";
import { join } from "node:path";
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

/** What Knative's queue-proxy showed after the same requests: counts by series, and bounds. */
const knative = JSON.parse(
  readFileSync(join(import.meta.dirname, "parity", "recorded", "metrics.json"), "utf8"),
) as { counts: string[]; bounds: Record<string, string[]> };

const requests = [
  "GET /a HTTP/1.1\r\nHost: greeter.example\r\n\r\n",
  "GET /a HTTP/1.1\r\nHost: greeter.example\r\n\r\n",
  "POST /a HTTP/1.1\r\nHost: greeter.example:8080\r\nContent-Length: 5\r\n\r\nhello",
  "GET /missing HTTP/1.1\r\nHost: greeter.example:80\r\nKnative-Serving-Tag: blue\r\n\r\n",
  "GET /a HTTP/1.0\r\nHost: greeter.example\r\nKnative-Serving-Default-Route: true\r\n\r\n",
  "GET /a HTTP/1.1\r\nHost: 10.0.0.1:8012\r\nK-Original-Host: greeter.example\r\nK-Proxy-Request: activator\r\n\r\n",
  "PROPFIND /a HTTP/1.1\r\nHost: [::1]:8012\r\n\r\n",
  "GET /a HTTP/1.1\r\nHost: greeter.example\r\nK-Network-Probe: foo\r\n\r\n",
  "GET /a HTTP/1.1\r\nHost: greeter.example\r\nK-Kubelet-Probe: foo\r\n\r\n",
  "GET /a HTTP/1.1\r\nHost: greeter.example\r\nUser-Agent: kube-probe/1\r\nK-Network-Probe: queue\r\n\r\n",
] as const;

/** Series of an exposition with their counts, without the library's version; and the bounds of each histogram. */
function readHistograms(body: string): { counts: string[]; bounds: Record<string, string[]> } {
  const counts: string[] = [];
  const bounds: Record<string, string[]> = {};
  for (const line of body.split("\n")) {
    const [, name = "", kind, labels = "", value = ""] =
      /^((?:kn_|http_)\w+)_(count|bucket)\{(.*)\} (\d+)$/.exec(line) ?? [];
    const all = labels.match(/\w+="[^"]*"/g) ?? [];
    if (kind === "count") {
      const told = all.filter((each) => !each.startsWith("otel_scope_version"));
      counts.push(`${name} ${told.toSorted().join(",")} ${value}`);
    } else if (kind === "bucket") {
      const bound = all.find((each) => each.startsWith("le="))?.slice(4, -1) ?? "";
      const known = (bounds[name] ??= []);
      if (!known.includes(bound)) known.push(bound);
    }
  }
  return { counts: counts.toSorted(), bounds };
}

describe("Prometheus metrics", () => {
  test("have Knative's names, labels, scopes, buckets and counts", async () => {
    const app = await startApp((request, response) => {
      request.resume();
      response.writeHead(request.url === "/missing" ? 404 : 200).end("hello");
    });
    const { ports } = await startTestSidecar(app.port, {
      CONTAINER_CONCURRENCY: "10",
      SERVING_SERVICE: "greeter",
    });
    for (const bytes of requests) await new RawClient(ports.main).write(bytes).waitFor("\r\n\r\n");
    const { status, headers, body } = await ask(ports.metrics, { path: "/metrics" });
    expect(status).toBe(200);
    expect(headers["content-type"]).toMatch(/^text\/plain; version=0.0.4/);
    const { counts, bounds } = readHistograms(body);
    expect(counts.map((line) => line.replace(`"${app.port}"`, '"APP"'))).toEqual(knative.counts.toSorted());
    expect(bounds).toEqual(knative.bounds);
    expect((await ask(ports.metrics, { path: "/metrics", method: "POST" })).status).toBe(405);
  });

  test("say what the process is by Knative's names, and how many were at the gate", async () => {
    const app = await startApp((_request, response) => response.end());
    const { ports } = await startTestSidecar(app.port, {
      CONTAINER_CONCURRENCY: "3",
      SERVING_SERVICE: "greeter",
      POD_NAME: "pod",
      OTEL_SERVICE_NAME: "named",
    });
    await ask(ports.main);
    expect(await readMetric(ports.metrics, "kn_serving_queue_depth")).toBe(1);
    const { body } = await ask(ports.metrics, { path: "/metrics" });
    const target = /^target_info\{(.*)\} 1$/m.exec(body)?.[1]?.split(",");
    expect(target).toEqual([
      'container_name="queue-proxy"',
      'k8s_namespace_name="default"',
      'k8s_pod_name="pod"',
      'kn_configuration_name="greeter"',
      'kn_revision_name="greeter-00001"',
      'kn_service_name="greeter"',
      'service_instance_id="pod"',
      'service_name="named"',
    ]);
  });

  test("measure bodies and times of both sides", async () => {
    const app = await startApp((request, response) => {
      request.resume().on("end", () => response.end("x".repeat(2000)));
    });
    const { ports } = await startTestSidecar(app.port);
    await ask(ports.main, { method: "POST", body: "y".repeat(300) });
    await ask(ports.main, {
      method: "POST",
      headers: { "transfer-encoding": "chunked" },
      body: "y".repeat(200),
    });
    expect(await readMetric(ports.metrics, "http_server_request_body_size_bytes_sum")).toBe(500);
    expect(await readMetric(ports.metrics, "http_client_request_body_size_bytes_sum")).toBe(500);
    expect(await readMetric(ports.metrics, "http_server_response_body_size_bytes_sum")).toBe(4000);
    const server = (await readMetric(ports.metrics, "http_server_request_duration_seconds_sum")) ?? 0;
    const invocation = (await readMetric(ports.metrics, "kn_serving_invocation_duration_seconds_sum")) ?? 0;
    const client = (await readMetric(ports.metrics, "http_client_request_duration_seconds_sum")) ?? 0;
    expect(client).toBeGreaterThan(0);
    expect(invocation).toBeGreaterThanOrEqual(client);
    expect(server).toBeGreaterThanOrEqual(invocation);
  });

  test("an app that cannot be reached is an error of the client's side, and no answer", async () => {
    const { ports } = await startTestSidecar(1);
    expect((await ask(ports.main)).status).toBe(502);
    expect(
      await readMetric(
        ports.metrics,
        'http_client_request_duration_seconds_count{error_type="upstream-connect"}',
      ),
    ).toBe(1);
    expect(
      await readMetric(
        ports.metrics,
        'http_client_request_duration_seconds_count{http_response_status_code="502"}',
      ),
    ).toBeUndefined();
    expect(
      await readMetric(
        ports.metrics,
        'kn_serving_invocation_duration_seconds_count{http_response_status_code="502"}',
      ),
    ).toBe(1);
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
