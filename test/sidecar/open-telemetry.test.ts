import { describe, expect, test } from "vitest";
import { startCollector, type CollectedSpan, type OtlpCollector } from "../support/otlp-collector.ts";
import {
  ask,
  RawClient,
  startApp,
  startTestSidecar,
  stopSidecar,
  until,
  type TestSidecar,
} from "../support/sidecar-harness.ts";

const fast = { OTEL_METRIC_EXPORT_INTERVAL: "50", OTEL_BSP_SCHEDULE_DELAY: "20" };

function toConfig(config: unknown): { OBSERVABILITY_CONFIG: string } {
  return { OBSERVABILITY_CONFIG: JSON.stringify(config) };
}

/** A sidecar that keeps every trace and sends it, in front of an app that says what it got. */
async function startTraced(
  collector: OtlpCollector,
  environment: Readonly<Record<string, string>> = {},
  tracing: Readonly<Record<string, unknown>> = {},
): Promise<{ sidecar: TestSidecar; seen: (string | undefined)[] }> {
  const seen: (string | undefined)[] = [];
  const app = await startApp((request, response) => {
    seen.push(request.headers.traceparent?.toString());
    request.resume();
    response.writeHead(request.url === "/missing" ? 404 : 200).end("hello");
  });
  const sidecar = await startTestSidecar(app.port, {
    ...fast,
    ...toConfig({
      tracing: { protocol: "http/protobuf", endpoint: collector.httpUrl, samplingRate: 1, ...tracing },
    }),
    ...environment,
  });
  return { sidecar, seen };
}

function byName(spans: readonly CollectedSpan[], name: string): CollectedSpan {
  const span = spans.find((each) => each.name === name);
  if (span === undefined)
    throw new Error(`no span ${name}; there are ${spans.map((each) => each.name).join(", ")}`);
  return span;
}

describe("traces", () => {
  test("have Knative's spans, one inside the other, and the app gets the last one's context", async () => {
    const collector = await startCollector();
    const { sidecar, seen } = await startTraced(collector, {
      CONTAINER_CONCURRENCY: "1",
      SERVING_SERVICE: "greeter",
    });
    const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await ask(sidecar.ports.main, {
      method: "POST",
      path: "/a?b=c",
      headers: {
        host: "greeter.example:8080",
        traceparent: parent,
        "user-agent": "curl",
        "x-forwarded-for": "1.2.3.4",
      },
      body: "hi",
    });
    await until(() => collector.spans.length === 4);
    const server = byName(collector.spans, "POST");
    const proxy = byName(collector.spans, "kn.queueproxy.proxy");
    const wait = byName(collector.spans, "kn.queueproxy.wait");
    const client = byName(collector.spans, "HTTP POST");
    expect([server, proxy, wait, client].map(({ traceId }) => traceId)).toEqual(
      Array(4).fill("0af7651916cd43dd8448eb211c80319c"),
    );
    expect([server.parentId, proxy.parentId, wait.parentId, client.parentId]).toEqual([
      "b7ad6b7169203331",
      server.spanId,
      proxy.spanId,
      wait.spanId,
    ]);
    expect(seen).toEqual([`00-${client.traceId}-${client.spanId}-01`]);
    expect(server).toMatchObject({ kind: 2, status: 0, scope: expect.stringContaining("otelhttp") });
    expect(server.attributes).toEqual({
      "client.address": "1.2.3.4",
      "http.request.body.size": 2,
      "http.request.method": "POST",
      "http.response.body.size": 5,
      "http.response.status_code": 200,
      "kn.route.tag": "kn:disabled",
      "network.peer.address": "127.0.0.1",
      "network.peer.port": expect.any(Number),
      "network.protocol.version": "1.1",
      "server.address": "greeter.example",
      "server.port": 8080,
      "url.path": "/a",
      "url.scheme": "http",
      "user_agent.original": "curl",
    });
    expect(client).toMatchObject({ kind: 3, status: 0 });
    expect(client.attributes).toMatchObject({
      "http.response.status_code": 200,
      "url.full": expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/a\?b=c$/),
    });
    expect(wait.scope).toBe("knative.dev/serving/pkg/queue");
    expect(collector.resource).toMatchObject({
      "service.name": "greeter",
      "kn.revision.name": "greeter-00001",
    });
  });

  test("have no wait without a limit; probes have none but the app's part", async () => {
    const collector = await startCollector();
    const { sidecar } = await startTraced(collector);
    const { main } = sidecar.ports;
    await ask(main, { headers: { "user-agent": "kube-probe/1", "k-network-probe": "queue" } });
    await ask(main, { headers: { "k-kubelet-probe": "1" } });
    await ask(main, { path: "/missing" });
    await until(() => collector.spans.length === 4);
    const spans = collector.spans.map(
      ({ name, parentId, status }) => `${name} ${parentId === "" ? "first" : "inner"} ${status}`,
    );
    expect(spans.toSorted()).toEqual([
      "GET first 0",
      "HTTP GET first 0",
      "HTTP GET inner 2",
      "kn.queueproxy.proxy inner 0",
    ]);
  });

  test("tell an app that cannot be reached from one that answers", async () => {
    const collector = await startCollector();
    const sidecar = await startTestSidecar(1, {
      ...fast,
      ...toConfig({ tracing: { protocol: "http/protobuf", endpoint: collector.httpUrl, samplingRate: 1 } }),
    });
    await ask(sidecar.ports.main);
    await until(() => collector.spans.length === 3);
    const client = byName(collector.spans, "HTTP GET");
    expect(client).toMatchObject({ status: 2, attributes: { "error.type": "upstream-connect" } });
    expect(byName(collector.spans, "GET")).toMatchObject({
      status: 2,
      attributes: { "http.response.status_code": 502 },
    });
  });

  test.each([
    ["a client that decided to keep it", 0.000001, "-01", 4],
    ["a client that decided not to", 0.999999, "-00", 0],
  ])("the rate counts only where the client has not decided: %s", async (_who, samplingRate, flags, kept) => {
    const collector = await startCollector();
    const { sidecar, seen } = await startTraced(collector, { CONTAINER_CONCURRENCY: "1" }, { samplingRate });
    const traceparent = `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331${flags}`;
    await ask(sidecar.ports.main, { headers: { traceparent, tracestate: "a=b" } });
    await stopSidecar(sidecar);
    expect(collector.spans).toHaveLength(kept);
    expect(seen[0]).toMatch(new RegExp(`^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}${flags}$`));
  });

  test("a rate of 0 keeps none, and the variables win over the settings", async () => {
    const collector = await startCollector();
    const never = await startTraced(collector, {}, { samplingRate: 0 });
    await ask(never.sidecar.ports.main);
    await stopSidecar(never.sidecar);
    expect(collector.spans).toEqual([]);
    const always = await startTraced(
      collector,
      {
        OTEL_TRACES_SAMPLER: "always_on",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.httpUrl}/own/traces`,
      },
      { samplingRate: 0, endpoint: "http://127.0.0.1:1" },
    );
    await ask(always.sidecar.ports.main);
    await stopSidecar(always.sidecar);
    expect(collector.spans).toHaveLength(3);
    expect(collector.requests.map(({ path }) => path)).toContain("/own/traces");
  });

  test("go over gRPC as well", async () => {
    const collector = await startCollector();
    const { sidecar } = await startTraced(collector, {}, { protocol: "grpc", endpoint: collector.grpcUrl });
    await ask(sidecar.ports.main);
    await until(() => collector.spans.length === 3);
    expect(collector.requests).toEqual([]);
  });

  test("who leaves while waiting ends the wait's span", async () => {
    const collector = await startCollector();
    const held: (() => void)[] = [];
    const app = await startApp((_request, response) => void held.push(() => response.end()));
    const sidecar = await startTestSidecar(app.port, {
      ...fast,
      CONTAINER_CONCURRENCY: "1",
      ...toConfig({ tracing: { protocol: "http/protobuf", endpoint: collector.httpUrl, samplingRate: 1 } }),
    });
    const first = ask(sidecar.ports.main);
    await until(() => held.length === 1);
    const leaver = new RawClient(sidecar.ports.main).write("GET /leaver HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => leaver.socket.bytesWritten > 0 && !leaver.socket.connecting);
    // Its answer to a probe on another connection comes after it was read.
    await ask(sidecar.ports.main, { headers: { "user-agent": "kube-probe/1", "k-network-probe": "queue" } });
    leaver.socket.destroy();
    await until(() =>
      collector.spans.some(({ attributes }) => attributes["http.response.status_code"] === 499),
    );
    held[0]?.();
    await first;
    await until(() => collector.spans.length === 7);
    expect(collector.spans.filter(({ name }) => name === "kn.queueproxy.wait")).toHaveLength(2);
  });
});

describe("metrics that are sent", () => {
  test.each(["http/protobuf", "grpc"] as const)(
    "over %s are the ones that Prometheus would read",
    async (protocol) => {
      const collector = await startCollector();
      const app = await startApp((_request, response) => response.end("hello"));
      const endpoint = protocol === "grpc" ? collector.grpcUrl : collector.httpUrl;
      const sidecar = await startTestSidecar(app.port, {
        ...fast,
        CONTAINER_CONCURRENCY: "2",
        ...toConfig({ requestMetrics: { protocol, endpoint } }),
      });
      expect(sidecar.ports.metrics).toBe(0);
      await ask(sidecar.ports.main, { headers: { host: "greeter.example" } });
      await until(() => collector.metrics.has("http.server.request.duration"));
      const { metrics } = collector;
      expect(metrics.get("kn.serving.invocation.duration")).toMatchObject({
        scope: "knative.dev/serving/pkg/queue",
        unit: "s",
        points: [{ attributes: { "http.response.status_code": 200 }, count: 1 }],
      });
      expect(metrics.get("http.server.response.body.size")).toMatchObject({
        unit: "By",
        points: [
          {
            count: 1,
            sum: 5,
            attributes: { "server.address": "greeter.example", "kn.route.tag": "kn:disabled" },
          },
        ],
      });
      expect(metrics.get("kn.serving.queue.depth")).toMatchObject({
        unit: "{request}",
        points: [{ value: 1 }],
      });
      expect([...metrics.keys()]).toEqual(
        expect.arrayContaining(["http.client.request.duration", "process.cpu.time", "v8js.memory.heap.used"]),
      );
      expect(collector.resource).toMatchObject({
        "container.name": "queue-proxy",
        "k8s.namespace.name": "default",
      });
    },
  );

  test("the last ones are sent when the sidecar stops, and a collector that is gone does not hold it", async () => {
    const collector = await startCollector();
    const app = await startApp((_request, response) => response.end("hello"));
    const config = {
      requestMetrics: { protocol: "http/protobuf", endpoint: collector.httpUrl, exportInterval: 3_600e9 },
    };
    const sidecar = await startTestSidecar(app.port, toConfig(config));
    await ask(sidecar.ports.main);
    expect(collector.metrics.size).toBe(0);
    await stopSidecar(sidecar);
    expect(collector.metrics.get("kn.serving.invocation.duration")?.points[0]?.count).toBe(1);
    const alone = await startTestSidecar(
      app.port,
      toConfig({ requestMetrics: { protocol: "http/protobuf", endpoint: "http://127.0.0.1:1" } }),
    );
    await ask(alone.ports.main);
    await stopSidecar(alone);
  });
});
