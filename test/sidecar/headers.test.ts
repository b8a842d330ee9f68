import { describe, expect, test } from "vitest";
import { ask, RawClient, startApp, startTestSidecar, type TestApp } from "../support/sidecar-harness.ts";

type Headers = Readonly<Record<string, string>>;

async function startEcho(overrides: Headers = {}): Promise<{ app: TestApp; main: number }> {
  const app = await startApp((request, response) => {
    request.resume();
    response.end("ok");
  });
  return { app, main: (await startTestSidecar(app.port, overrides)).ports.main };
}

async function seenByApp(sent: Headers, overrides: Headers = {}): Promise<Record<string, unknown>> {
  const { app, main } = await startEcho(overrides);
  expect((await ask(main, { headers: { host: "greeter.example", ...sent } })).status).toBe(200);
  return { ...app.requests[0]?.headers };
}

describe("headers on their way to the app", () => {
  const peer = { "x-forwarded-for": "127.0.0.1" };
  test.each<[string, Headers, Headers]>([
    ["nothing is added that Go does not add", {}, { host: "greeter.example", ...peer }],
    ["Host goes through", { host: "a.example:8080" }, { host: "a.example:8080", ...peer }],
    ["K-Original-Host becomes Host", { "k-original-host": "b.example" }, { host: "b.example", ...peer }],
    [
      "the revision headers are removed",
      { "knative-serving-revision": "r", "knative-serving-namespace": "n" },
      { host: "greeter.example", ...peer },
    ],
    [
      "the tag headers and K-Proxy-Request stay",
      {
        "knative-serving-tag": "blue",
        "knative-serving-default-route": "true",
        "k-proxy-request": "activator",
      },
      {
        host: "greeter.example",
        "knative-serving-tag": "blue",
        "knative-serving-default-route": "true",
        "k-proxy-request": "activator",
        ...peer,
      },
    ],
    [
      "X-Forwarded-For is extended, and Forwarded says what was there before",
      { "x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "https", "x-forwarded-host": "a.example" },
      {
        host: "greeter.example",
        forwarded: "for=10.0.0.1;host=a.example;proto=https",
        "x-forwarded-for": "10.0.0.1, 127.0.0.1",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "a.example",
      },
    ],
    [
      "a Forwarded that is there is left alone",
      { forwarded: "for=1.2.3.4", "x-forwarded-for": "10.0.0.1" },
      { host: "greeter.example", forwarded: "for=1.2.3.4", "x-forwarded-for": "10.0.0.1, 127.0.0.1" },
    ],
    [
      "trace context goes through",
      { traceparent: "00-a-b-01", tracestate: "x=y", baggage: "k=v" },
      { host: "greeter.example", traceparent: "00-a-b-01", tracestate: "x=y", baggage: "k=v", ...peer },
    ],
    [
      "hop-by-hop headers end here",
      { "keep-alive": "timeout=5", "proxy-authorization": "x", "proxy-connection": "keep-alive", te: "gzip" },
      { host: "greeter.example", ...peer },
    ],
    ["TE: trailers is passed on", { te: "trailers" }, { host: "greeter.example", te: "trailers", ...peer }],
    [
      "what Connection names ends here",
      { connection: "keep-alive, x-private", "x-private": "1" },
      { host: "greeter.example", ...peer },
    ],
    [
      "a value of K-Network-Probe that is no question goes to the app",
      { "k-network-probe": "queue" },
      { host: "greeter.example", "k-network-probe": "queue", ...peer },
    ],
  ])("%s", async (_promise, sent, expected) => {
    expect(await seenByApp(sent)).toEqual(expected);
  });

  test("a peer that is not trusted cannot speak internal headers", async () => {
    const seen = await seenByApp(
      { "k-original-host": "evil.example", "k-kubelet-probe": "x", "knative-serving-tag": "t" },
      { SLUICE_TRUSTED_PEERS: "10.0.0.0/8" },
    );
    expect(seen).toEqual({
      host: "greeter.example",
      "x-forwarded-for": "127.0.0.1",
    });
  });

  test("a peer in a trusted range can", async () => {
    const seen = await seenByApp(
      { "k-original-host": "b.example" },
      { SLUICE_TRUSTED_PEERS: "10.0.0.0/8,127.0.0.0/8" },
    );
    expect(seen["host"]).toBe("b.example");
  });

  test("repeated headers stay repeated, and their order and spelling stay", async () => {
    const { app, main } = await startEcho();
    const client = new RawClient(main).write(
      "GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nx-ONE: 2\r\nA: b\r\n\r\n",
    );
    await client.waitFor("ok");
    const raw = app.requests[0]?.rawHeaders ?? [];
    expect(raw.slice(raw.indexOf("X-One"), raw.indexOf("X-One") + 6)).toEqual([
      "X-One",
      "1",
      "x-ONE",
      "2",
      "A",
      "b",
    ]);
  });
});

describe("headers on their way to the client", () => {
  test("repeated ones stay repeated; hop-by-hop and refusals of the app's own making end here", async () => {
    const app = await startApp((_request, response) => {
      response.writeHead(200, [
        ["Set-Cookie", "a=1"],
        ["Set-Cookie", "b=2"],
        ["Sluice-Refused", "queue-full"],
        ["Proxy-Authenticate", "Basic"],
        ["Connection", "x-private, keep-alive"],
        ["X-Private", "1"],
        ["X-App", "yes"],
      ]);
      response.end("ok");
    });
    const { ports } = await startTestSidecar(app.port);
    const answer = await ask(ports.main, { headers: { connection: "close" } });
    const { date, ...headers } = answer.headers;
    expect(headers).toEqual({
      "set-cookie": ["a=1", "b=2"],
      "x-app": "yes",
      connection: "close",
      "transfer-encoding": "chunked",
    });
    expect(date).toBeDefined();
  });

  test("an HTTP/1.1 answer says nothing of persistence; an HTTP/1.0 client is told", async () => {
    const { main } = await startEcho();
    const modern = await new RawClient(main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").waitFor("ok");
    expect(modern).not.toMatch(/connection:|keep-alive:/i);
    const old = await new RawClient(main)
      .write("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
      .waitFor("ok");
    expect(old).toMatch(/connection: (keep-alive|close)/i);
  });
});
