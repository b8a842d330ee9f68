import { describe, expect, test } from "vitest";
import { Harness, type Call } from "./support/activator-harness.ts";
import { echo } from "./support/fake-pod.ts";
import { makeRevision, makeService } from "./support/feed-objects.ts";

interface Seen {
  readonly headers: Record<string, string | undefined>;
  readonly rawHeaders: readonly string[];
}

async function withEcho(settings: Record<string, string> = {}): Promise<Harness> {
  const harness = await Harness.start({
    settings,
    objects: [
      makeRevision(),
      makeRevision({ name: "other-00001", service: "other" }),
      makeService({
        hosts: [
          { host: "hello.default.example.com", visibility: "public" },
          { host: "hello.default.svc.cluster.local", visibility: "cluster" },
        ],
      }),
      makeService({ name: "other", hosts: [], traffic: [{ revision: "other-00001", percent: 100 }] }),
    ],
  });
  const pod = await harness.addPod("hello-00001-a", echo);
  const other = await harness.addPod("other-00001-a", echo);
  harness.feed.put(other.toFeed({ revision: "other-00001" }));
  harness.feed.delete(pod.toFeed({ name: "nobody" }));
  return harness;
}

async function see(harness: Harness, call: Call): Promise<Seen> {
  return JSON.parse((await harness.call(call)).body) as Seen;
}

describe("what the pod is told", () => {
  test("the host that was asked for, who asks, and that an activator counts the request", async () => {
    await using harness = await withEcho();
    const { headers } = await see(harness, { host: "Hello.default.example.com:8000" });
    expect(headers).toMatchObject({
      "k-original-host": "Hello.default.example.com:8000",
      "k-proxy-request": "activator",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": "Hello.default.example.com:8000",
      "x-forwarded-proto": "http",
    });
    expect(headers["host"]).toMatch(/^127\.0\.0\.1:\d+$/);
  });
});

test("heads of 200 KiB go both ways, as through the sidecar; beyond the limit the client hears 431", async () => {
  await using harness = await Harness.start({ settings: { SLUICE_MAX_HEADER_BYTES: "262144" } });
  const long = "x".repeat(200 * 1024);
  const pod = await harness.addPod("a", (request, response) =>
    response.setHeader("X-Back", String(request.headers["x-long"])).end("ok"),
  );
  const { status, headers } = await harness.call({ headers: { "X-Long": long } });
  expect([status, headers["x-back"] === long]).toEqual([200, true]);
  expect((await harness.call({ headers: { "X-Long": `${long}${long}` } })).status).toBe(431);
  expect(pod.requests.length).toBe(1);
});

describe("on the public listener nobody is believed", () => {
  test.each([
    ["K-Original-Host", "evil.example.com"],
    ["K-Proxy-Request", "forged"],
    ["K-Passthrough-Lb", "true"],
    ["K-Network-Hash", "x"],
    ["K-Network-Probe", "queue"],
    ["K-Kubelet-Probe", "x"],
    ["Knative-Serving-Tag", "x"],
    ["Sluice-Refused", "closing"],
    ["Sluice-Anything", "x"],
    ["X-Forwarded-For", "1.2.3.4"],
    ["X-Forwarded-Host", "evil.example.com"],
    ["X-Forwarded-Proto", "https"],
    ["X-Forwarded-Port", "1"],
    ["Forwarded", "for=1.2.3.4"],
  ])("%s does not get through", async (name, value) => {
    await using harness = await withEcho();
    const { rawHeaders } = await see(harness, { headers: { [name]: value } });
    expect(rawHeaders).not.toContain(value === "x" ? name : value);
  });

  test("revision headers lead nowhere", async () => {
    await using harness = await withEcho();
    const headers = { "Knative-Serving-Revision": "other-00001", "Knative-Serving-Namespace": "default" };
    const seen = await see(harness, { headers });
    expect(seen.headers["knative-serving-revision"]).toBeUndefined();
    expect((await harness.call({ host: "nobody", headers })).status).toBe(404);
  });

  test.each(["kube-probe/1.31", "Knative-Activator-Probe", "Knative-Autoscaling-Probe"])(
    "the user agent %s is one like any other",
    async (agent) => {
      await using harness = await withEcho();
      const { headers } = await see(harness, { headers: { "User-Agent": agent } });
      expect(headers["user-agent"]).toBe(agent);
    },
  );

  test.each(["hello.default.svc.cluster.local", "hello.default.svc", "hello.default"])(
    "%s is not known",
    async (host) => {
      await using harness = await withEcho();
      expect((await harness.call({ host })).status).toBe(404);
    },
  );

  test("unless a setting names it as a proxy, whose word on whom it forwards for is extended", async () => {
    await using harness = await withEcho({ SLUICE_TRUSTED_PROXIES: "10.0.0.0/8, 127.0.0.1" });
    const { headers } = await see(harness, {
      headers: {
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Proto": "https",
        Forwarded: "for=1.2.3.4",
        "K-Original-Host": "evil.example.com",
      },
    });
    expect(headers).toMatchObject({
      "x-forwarded-for": "1.2.3.4, 127.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "hello.default.example.com",
      forwarded: "for=1.2.3.4",
      "k-original-host": "hello.default.example.com",
    });
  });
});

describe("on the internal listener", () => {
  test("revision headers win over the host and go no further", async () => {
    await using harness = await withEcho();
    const { headers } = await see(harness, {
      port: harness.activator.internalPort,
      headers: { "Knative-Serving-Revision": "other-00001", "Knative-Serving-Namespace": "default" },
    });
    expect(headers["knative-serving-revision"]).toBeUndefined();
    expect(headers["knative-serving-namespace"]).toBeUndefined();
    expect(
      await harness.metric(
        `sluice_activator_requests_total{namespace="default",revision="other-00001",code="200"}`,
      ),
    ).toBe(1);
  });

  test.each([
    "hello.default.svc.cluster.local",
    "hello.default.svc.cluster.local:80",
    "hello.default",
    "other-00001.default.svc.cluster.local",
  ])("%s is known", async (host) => {
    await using harness = await withEcho();
    expect((await harness.call({ host, port: harness.activator.internalPort })).status).toBe(200);
  });

  test("an original host that the ingress set is kept, its claim to be an activator is not doubled", async () => {
    await using harness = await withEcho();
    const { headers } = await see(harness, {
      port: harness.activator.internalPort,
      headers: { "K-Original-Host": "outer.example.com", "K-Proxy-Request": "gateway" },
    });
    expect([headers["k-original-host"], headers["k-proxy-request"]]).toEqual([
      "outer.example.com",
      "activator",
    ]);
  });

  test.each([
    { headers: { "User-Agent": "kube-probe/1.31" }, status: 200, body: "" },
    { headers: { "K-Kubelet-Probe": "x" }, status: 200, body: "" },
    { headers: { "K-Network-Probe": "activator" }, status: 200, body: "activator" },
    { headers: { "K-Network-Probe": "probe", "K-Network-Hash": "abc" }, status: 200, body: "" },
    {
      headers: { "K-Network-Probe": "probe" },
      status: 400,
      body: 'a probe request must contain a non-empty "K-Network-Hash" header\n',
    },
    {
      headers: { "K-Network-Probe": "<x>" },
      status: 400,
      body: 'unexpected probe header value: "&lt;x&gt;"\n',
    },
  ])("health and network probes are answered: %o", async ({ headers, status, body }) => {
    await using harness = await withEcho();
    const reply = await harness.call({
      port: harness.activator.internalPort,
      headers: { ...headers },
    });
    expect([reply.status, reply.body]).toEqual([status, body]);
    expect(reply.headers["k-network-hash"]).toBe(headers["K-Network-Hash"]);
  });
});

test("the pod's word that it refused never reaches a client", async () => {
  await using harness = await Harness.start();
  await harness.addPod("a", (_request, response) => response.setHeader("Sluice-Refused-Not", "x").end("ok"));
  const reply = await harness.call();
  expect(reply.headers["sluice-refused"]).toBeUndefined();
});
