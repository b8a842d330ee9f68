import { credentials, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  createPod,
  createRevision,
  sendStat,
  TestAggregator,
  TestFeed,
} from "../support/aggregator-harness.ts";

const protoFile = join(import.meta.dirname, "..", "..", "packages", "aggregator", "external-scaler.proto");

interface ScalerClient {
  IsActive(reference: object, done: (error: ServiceError | null, answer?: { result: boolean }) => void): void;
  GetMetricSpec(reference: object, done: (error: ServiceError | null, answer?: object) => void): void;
  GetMetrics(request: object, done: (error: ServiceError | null, answer?: object) => void): void;
  StreamIsActive(reference: object): AsyncIterable<{ result: boolean }> & { cancel(): void };
  StreamMetricSpec(reference: object): AsyncIterable<object> & { cancel(): void };
  close(): void;
}

function createClient(port: number): ScalerClient {
  const definition = loadSync(protoFile, { longs: Number, defaults: true });
  const loaded = loadPackageDefinition(definition) as unknown;
  const { externalscaler } = loaded as {
    externalscaler: { ExternalScaler: new (address: string, credentials: object) => ScalerClient };
  };
  return new externalscaler.ExternalScaler(`127.0.0.1:${port}`, credentials.createInsecure());
}

function call<T>(
  run: (done: (error: ServiceError | null, answer?: T) => void) => void,
): Promise<T | undefined> {
  return new Promise((resolve, reject) =>
    run((error, answer) => {
      if (error === null) resolve(answer);
      else reject(error);
    }),
  );
}

const hello = { name: "hello-00001", namespace: "default", scalerMetadata: {} };

describe("KEDA's external scaler, spoken by a client of the published proto", () => {
  test("answers activity, specs and metrics, and pushes activity on change only", async () => {
    await using feed = await TestFeed.open([createRevision()]);
    await using aggregator = await TestAggregator.start({
      feed: feed.url,
      environment: { SLUICE_GRPC_PORT: "0" },
    });
    await aggregator.waitFor(({ desiredPods }) => desiredPods === 0);
    const client = createClient(aggregator.aggregator.grpcPort ?? 0);
    const stream = client.StreamIsActive({
      ...hello,
      name: "any",
      scalerMetadata: { revision: "hello-00001" },
    });
    const events = stream[Symbol.asyncIterator]();
    expect((await events.next()).value).toEqual({ result: false });
    expect(await call((done) => client.IsActive(hello, done))).toEqual({ result: false });

    const socket = await aggregator.connect();
    sendStat(socket, { averageConcurrentRequests: 250 });
    expect((await events.next()).value).toEqual({ result: true });
    const { desiredPods } = await aggregator.waitFor(({ desiredPods }) => desiredPods > 0);
    expect(await call((done) => client.GetMetricSpec(hello, done))).toEqual({
      metricSpecs: [{ metricName: "sluice-pods", targetSize: 1, targetSizeFloat: 1 }],
    });
    const request = { scaledObjectRef: hello, metricName: "sluice-pods" };
    expect(await call((done) => client.GetMetrics(request, done))).toEqual({
      metricValues: [{ metricName: "sluice-pods", metricValue: desiredPods, metricValueFloat: desiredPods }],
    });
    const specStream = client.StreamMetricSpec(hello);
    for await (const specs of specStream) {
      expect(specs).toHaveProperty("metricSpecs");
      break;
    }
    client.close();
  });

  test("a revision that nobody knows is an error, never zero pods", async () => {
    await using feed = await TestFeed.open([]);
    await using aggregator = await TestAggregator.start({
      feed: feed.url,
      environment: { SLUICE_GRPC_PORT: "0" },
    });
    const client = createClient(aggregator.aggregator.grpcPort ?? 0);
    const request = { scaledObjectRef: { ...hello, name: "nobody" }, metricName: "" };
    await expect(call((done) => client.IsActive({ ...hello, name: "nobody" }, done))).rejects.toThrow(
      "NOT_FOUND",
    );
    await expect(call((done) => client.GetMetrics(request, done))).rejects.toThrow("NOT_FOUND");
    client.close();
  });
});

test("KEDA's metrics-api reads the scale endpoint as it is: plain numbers at fixed places", async () => {
  await using feed = await TestFeed.open([createRevision()]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  sendStat(await aggregator.connect(), { averageConcurrentRequests: 250 });
  await aggregator.waitFor(({ desiredPods }) => desiredPods === 4);
  const response = await fetch(`${aggregator.url}/v1/scale/default/hello-00001`);
  expect(response.status).toBe(200);
  const body = (await response.json()) as Record<string, unknown>;
  expect(body).toMatchObject({ desiredPods: 4, inFlight: 250 });
});

test("an HPA reads Kubernetes' external metrics", async () => {
  const other = createRevision({ name: "other-00001", service: "other" });
  await using feed = await TestFeed.open([createRevision(), other]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  sendStat(await aggregator.connect(), { averageConcurrentRequests: 12.5 });
  await aggregator.waitFor(({ desiredPods }) => desiredPods === 1);
  const path = `${aggregator.url}/apis/external.metrics.k8s.io/v1beta1`;
  const discovery = (await (await fetch(path)).json()) as { resources: unknown[] };
  expect(discovery.resources).toEqual([
    expect.objectContaining({ name: "externalmetrics", namespaced: true }),
  ]);
  const read = async (query: string) => fetch(`${path}/namespaces/default/${query}`);
  const list = await (await read("sluice-in-flight?labelSelector=service%3Dhello")).json();
  expect(list).toMatchObject({
    kind: "ExternalMetricValueList",
    apiVersion: "external.metrics.k8s.io/v1beta1",
    items: [{ metricName: "sluice-in-flight", metricLabels: { revision: "hello-00001" }, value: "12500m" }],
  });
  const others = (await (await read("sluice-desired-pods?labelSelector=service!%3Dhello")).json()) as {
    items: { value: string }[];
  };
  expect(others.items.map(({ value }) => value)).toEqual(["0"]);
  expect((await read("cpu")).status).toBe(404);
  expect((await read("sluice-in-flight?labelSelector=app%3Dhello")).status).toBe(400);
});

test("the http-add-on's scaler reads /queue", async () => {
  await using feed = await TestFeed.open([createRevision()]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  const socket = await aggregator.connect();
  sendStat(socket, { averageConcurrentRequests: 3, requestCount: 40 });
  sendStat(socket, { averageConcurrentRequests: 2, requestCount: 2 });
  const read = async () => (await fetch(`${aggregator.url}/queue`)).json();
  await expect.poll(read).toEqual({ "default/hello-00001": { Concurrency: 2, RequestCount: 42 } });
});

test("without the token only health and metrics answer, with it everything", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-token-"));
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, "secret\n");
  await using feed = await TestFeed.open([]);
  await using aggregator = await TestAggregator.start({
    feed: feed.url,
    environment: { SLUICE_TOKEN_FILE: tokenFile },
    token: "secret",
  });
  const ask = async (path: string, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return (await fetch(`${aggregator.url}${path}`, { headers })).status;
  };
  expect([await ask("/v1/scale"), await ask("/v1/scale", "wrong"), await ask("/v1/scale", "secret")]).toEqual(
    [401, 401, 200],
  );
  expect([await ask("/healthz"), await ask("/metrics"), await ask("/queue")]).toEqual([200, 200, 401]);
  await expect(aggregator.connect()).rejects.toThrow("401");
  rmSync(folder, { recursive: true });
});

const hasPrometheus =
  spawnSync("promtool", ["--version"]).status === 0 && spawnSync("prometheus", ["--version"]).status === 0;
if (!hasPrometheus) console.log("skipped: prometheus and promtool are not on the PATH");

describe.skipIf(!hasPrometheus)("Prometheus", () => {
  test("promtool finds no fault with the metrics, but that Knative's names of pod counts end like a histogram's", async () => {
    await using feed = await TestFeed.open([createRevision(), createPod("hello-1")]);
    await using aggregator = await TestAggregator.start({ feed: feed.url });
    sendStat(await aggregator.connect());
    await aggregator.waitFor(({ stableValue }) => stableValue > 0);
    const text = await (await fetch(`${aggregator.url}/metrics`)).text();
    expect(text).toContain(
      'kn_revision_pods_desired{kn_configuration_name="hello",kn_revision_name="hello-00001",kn_service_name="hello",k8s_namespace_name="default"} 1',
    );
    const { stderr } = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
    const faults = stderr.split("\n").filter((line) => line !== "");
    const suffix = 'non-histogram and non-summary metrics should not have "_count" suffix';
    expect(faults.toSorted()).toEqual([
      `kn_revision_pods_count ${suffix}`,
      `kn_revision_pods_not_ready_count ${suffix}`,
      `kn_revision_pods_pending_count ${suffix}`,
      `kn_revision_pods_terminating_count ${suffix}`,
    ]);
  });

  test("a real Prometheus scrapes them under Knative's names", { timeout: 60_000 }, async () => {
    await using feed = await TestFeed.open([createRevision(), createPod("hello-1")]);
    await using aggregator = await TestAggregator.start({ feed: feed.url });
    sendStat(await aggregator.connect());
    await aggregator.waitFor(({ stableValue }) => stableValue > 0);
    const folder = mkdtempSync(join(tmpdir(), "sluice-prometheus-"));
    const config = join(folder, "prometheus.yml");
    const target = `127.0.0.1:${aggregator.aggregator.port}`;
    writeFileSync(
      config,
      `global: {scrape_interval: 1s}\nscrape_configs: [{job_name: sluice, static_configs: [{targets: ["${target}"]}]}]\n`,
    );
    const port = await findFreePort();
    const prometheus = spawn(
      "prometheus",
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: "ignore" },
    );
    try {
      const query = `http://127.0.0.1:${port}/api/v1/query?query=kn_revision_pods_count`;
      const readValue = async (): Promise<string | undefined> => {
        const response = await fetch(query).catch(() => undefined);
        const body = (await response?.json()) as
          | { data?: { result: { value: [number, string] }[] } }
          | undefined;
        return body?.data?.result[0]?.value[1];
      };
      await expect.poll(readValue, { timeout: 45_000, interval: 250 }).toBe("1");
    } finally {
      const ended = once(prometheus, "exit");
      prometheus.kill();
      await ended;
      rmSync(folder, { recursive: true });
    }
  });
});

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
