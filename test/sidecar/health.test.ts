import { createServer, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { ask, startApp, startTestSidecar, until } from "../support/sidecar-harness.ts";

const kubelet = { "user-agent": "kube-probe/1.36", "k-network-probe": "queue" };

async function startEcho(
  overrides: Readonly<Record<string, string>> = {},
): Promise<{ main: number; seen: () => number }> {
  const app = await startApp((_request, response) => response.end("app"));
  const { ports } = await startTestSidecar(app.port, overrides);
  return { main: ports.main, seen: () => app.requests.length };
}

describe("questions about the pod", () => {
  test.each<[string, Record<string, string>, number, string, number]>([
    ["kubelet's probe", kubelet, 200, "queue", 0],
    [
      "the activator's",
      { "user-agent": "Knative-Activator-Probe", "k-network-probe": "queue" },
      200,
      "queue",
      0,
    ],
    [
      "the autoscaler's, which is meant for an activator",
      { "user-agent": "Knative-Autoscaling-Probe", "k-network-probe": "activator" },
      400,
      "unexpected probe header value: activator\n",
      0,
    ],
    [
      "kubelet's without a word",
      { "user-agent": "kube-probe/1" },
      400,
      "unexpected probe header value: \n",
      0,
    ],
    ["the network's", { "k-network-probe": "probe", "k-network-hash": "h" }, 200, "", 0],
    [
      "the network's without a hash",
      { "k-network-probe": "probe" },
      400,
      'a probe request must contain a non-empty "K-Network-Hash" header\n',
      0,
    ],
    ["an ordinary agent's, which is a request for the app", { "k-network-probe": "queue" }, 200, "app", 1],
    ["kubelet's through a header, which the app answers", { "k-kubelet-probe": "queue" }, 200, "app", 1],
  ])("%s", async (_whose, headers, status, body, reachingApp) => {
    const { main, seen } = await startEcho();
    const answer = await ask(main, { headers, path: "/healthz", method: "POST" });
    expect(answer).toMatchObject({ status, body });
    expect(seen()).toBe(reachingApp);
    expect(answer.headers["k-network-hash"]).toBe(headers["k-network-hash"]);
  });

  test("trusted peers are about internal headers; the kubelet is answered from anywhere", async () => {
    const { main } = await startEcho({ SLUICE_TRUSTED_PEERS: "10.0.0.0/8" });
    expect(await ask(main, { headers: kubelet })).toMatchObject({ status: 200, body: "queue" });
  });

  test("a probe of the app through a header is neither counted nor limited", async () => {
    const held: (() => void)[] = [];
    const app = await startApp((_request, response) => void held.push(() => response.end("done")));
    const { ports } = await startTestSidecar(app.port, { CONTAINER_CONCURRENCY: "1" });
    const first = ask(ports.main);
    await until(() => held.length === 1);
    const probe = ask(ports.main, { headers: { "k-kubelet-probe": "x" } });
    await until(() => held.length === 2);
    for (const release of held) release();
    expect((await Promise.all([first, probe])).map((answer) => answer.status)).toEqual([200, 200]);
  });
});

describe("readiness of the app", () => {
  function probe(kind: Record<string, unknown>, more: Record<string, unknown> = {}): Record<string, string> {
    return {
      SLUICE_PROBE_INTERVAL: "1ms",
      SLUICE_PROBE_TIMEOUT: "60ms",
      SERVING_READINESS_PROBE: JSON.stringify({ ...kind, ...more }),
    };
  }

  async function isReady(port: number, overrides: Record<string, string>): Promise<boolean> {
    const { ports } = await startTestSidecar(port, overrides);
    const answer = await ask(ports.main, { headers: kubelet });
    expect(answer.body).toBe(answer.status === 200 ? "queue" : "");
    expect([200, 503]).toContain(answer.status);
    return answer.status === 200;
  }

  test.each([
    [200, true],
    [302, true],
    [399, true],
    [400, false],
    [404, false],
    [500, false],
  ])("http: an app that answers %i is ready: %s", async (status, expected) => {
    const app = await startApp((_request, response) => response.writeHead(status).end());
    expect(await isReady(app.port, probe({ httpGet: { path: "/up" } }))).toBe(expected);
    expect(app.requests[0]).toMatchObject({ url: "/up", headers: { "user-agent": "kube-probe//" } });
  });

  test("http: the probe's own headers are sent, except Host", async () => {
    const app = await startApp((_request, response) => response.end());
    const httpHeaders = [
      { name: "X-Probe", value: "1" },
      { name: "Host", value: "other" },
    ];
    expect(await isReady(app.port, probe({ httpGet: { path: "up", httpHeaders } }))).toBe(true);
    expect(app.requests[0]?.headers).toMatchObject({ "x-probe": "1", host: `127.0.0.1:${app.port}` });
    expect(app.requests[0]?.url).toBe("/up");
  });

  test("tcp: an open port is ready, a closed one is not", async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    onTestFinished(() => void server.close());
    expect(await isReady(port, probe({ tcpSocket: { port, host: "127.0.0.1" } }))).toBe(true);
    expect(await isReady(1, probe({ tcpSocket: { port: "1" } }))).toBe(false);
  });

  test.each([
    ["exec", { exec: { command: ["true"] } }],
    ["none that is known", {}],
  ])("%s: nothing that can be asked, so never ready", async (_kind, kind) => {
    expect(await isReady(1, probe(kind))).toBe(false);
  });

  test("without a period the app is asked again until it is ready", async () => {
    let asked = 0;
    const app = await startApp((_request, response) => response.writeHead(++asked < 5 ? 500 : 200).end());
    expect(await isReady(app.port, { ...probe({ httpGet: {} }), SLUICE_PROBE_TIMEOUT: "10s" })).toBe(true);
    expect(asked).toBe(5);
  });

  test("successThreshold wants as many successes in a row", async () => {
    const answers = [200, 500, 200, 200, 200];
    let asked = 0;
    const app = await startApp((_request, response) => response.writeHead(answers[asked++] ?? 200).end());
    const overrides = { ...probe({ httpGet: {} }, { successThreshold: 3 }), SLUICE_PROBE_TIMEOUT: "10s" };
    expect(await isReady(app.port, overrides)).toBe(true);
    expect(asked).toBe(5);
  });

  test("with a period it is asked exactly once", async () => {
    const app = await startApp((_request, response) => response.writeHead(500).end());
    expect(await isReady(app.port, probe({ httpGet: {} }, { periodSeconds: 1 }))).toBe(false);
    expect(app.requests).toHaveLength(1);
  });

  test("callers at the same time share one answer", async () => {
    const held: (() => void)[] = [];
    const app = await startApp((_request, response) => void held.push(() => response.end()));
    const { ports } = await startTestSidecar(
      app.port,
      probe({ httpGet: {} }, { periodSeconds: 1, timeoutSeconds: 60 }),
    );
    const answers = [ask(ports.main, { headers: kubelet }), ask(ports.main, { headers: kubelet })];
    await until(() => held.length === 1);
    // The second caller's request is in before an answer to a third, which asks for nothing.
    await ask(ports.main, { headers: { "user-agent": "kube-probe/1" } });
    held[0]?.();
    expect((await Promise.all(answers)).map((answer) => answer.body)).toEqual(["queue", "queue"]);
    expect(app.requests).toHaveLength(1);
  });

  test("several containers: all must pass", async () => {
    const up = await startApp((_request, response) => response.end());
    const down = await startApp((_request, response) => response.writeHead(500).end());
    const list = (ports: readonly number[]): Record<string, string> => ({
      ...probe({}),
      ENABLE_MULTI_CONTAINER_PROBES: "true",
      SERVING_READINESS_PROBE: JSON.stringify(ports.map((port) => ({ httpGet: { port } }))),
    });
    expect(await isReady(up.port, list([up.port, up.port]))).toBe(true);
    expect(await isReady(up.port, list([up.port, down.port]))).toBe(false);
  });
});
