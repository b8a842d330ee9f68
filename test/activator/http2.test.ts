import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import {
  connect,
  createServer,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { Harness } from "./support/activator-harness.ts";
import { echo } from "./support/fake-pod.ts";
import { makePod, makeRevision, makeService } from "./support/feed-objects.ts";

const host = "hello.default.example.com";

interface Reply {
  readonly headers: IncomingHttpHeaders & { ":status"?: number };
  readonly trailers: IncomingHttpHeaders;
  readonly body: string;
}

function open(harness: Harness): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${harness.activator.publicPort}`);
  session.on("error", () => session.destroy());
  return session;
}

async function call(
  session: ClientHttp2Session,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Reply> {
  const stream = session.request(
    { ":authority": host, ":path": "/", ...headers },
    { endStream: body === undefined },
  );
  let trailers: IncomingHttpHeaders = {};
  stream.on("trailers", (seen) => (trailers = seen));
  if (body !== undefined) stream.end(body);
  const [seen] = (await once(stream, "response")) as [Reply["headers"]];
  stream.setEncoding("utf8");
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return { headers: seen, trailers, body: text };
}

/** A sidecar that speaks h2c and answers as a gRPC service would; HTTP/1.1 on another port answers its probes. */
async function addGrpcPod(harness: Harness) {
  const probes = await harness.addPod("probes");
  const server = createServer();
  const seen: IncomingHttpHeaders[] = [];
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    seen.push(headers);
    stream.on("error", () => undefined);
    let body = "";
    stream.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    stream.on("end", () => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(`said ${body}`);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const h2c = (server.address() as AddressInfo).port;
  harness.feed.put(
    makePod({ name: "probes", ports: { main: probes.port, h2c, stats: 1, metrics: 1, admin: 1 } }),
  );
  return { server, seen };
}

describe("h2c by prior knowledge, on the same port", () => {
  test("a request to an HTTP/1.1 app, held at zero", async () => {
    await using harness = await Harness.start();
    const session = open(harness);
    const reply = call(session, { ":method": "POST", ":path": "/a?b" }, "body");
    await harness.untilHeld(1);
    const pod = await harness.addPod("a", echo);
    const { headers, body } = await reply;
    expect(headers[":status"]).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      method: "POST",
      url: "/a?b",
      body: "body",
      headers: { "k-original-host": host, "k-proxy-request": "activator" },
    });
    expect(pod.requests.length).toBe(1);
    session.close();
  });

  test("a body that a pod refused reaches another", async () => {
    await using harness = await Harness.start();
    const refusing = await harness.addPod("a", (request, response) => {
      request.on("end", () => response.writeHead(503, { "sluice-refused": "closing" }).end()).resume();
    });
    const session = open(harness);
    const reply = call(session, { ":method": "POST" }, "x".repeat(30_000));
    while (refusing.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await harness.addPod("b", echo);
    expect(JSON.parse((await reply).body)).toMatchObject({ body: "x".repeat(30_000) });
    session.close();
  });

  test("unknown hosts, and strangers' internal headers, as on HTTP/1.1", async () => {
    await using harness = await Harness.start();
    await harness.addPod("a", echo);
    const session = open(harness);
    const unknown = await call(session, { ":authority": "nobody.example.com" });
    expect([unknown.headers[":status"], unknown.body]).toEqual([
      404,
      'no service has the host "nobody.example.com"\n',
    ]);
    const { body } = await call(session, { "k-original-host": "evil", "sluice-refused": "x" });
    expect(body).not.toContain("evil");
    expect(body).not.toContain("sluice-refused");
    session.close();
  });

  test("a client that resets its stream leaves the queue", async () => {
    await using harness = await Harness.start();
    const session = open(harness);
    const stream = session.request({ ":authority": host, ":path": "/" });
    stream.on("error", () => undefined);
    await harness.untilHeld(1);
    stream.close(8);
    await harness.untilHeld(0);
    const series = `sluice_activator_requests_total{namespace="default",revision="hello-00001",code="499"}`;
    await harness.untilMetric(series, (count) => count === 1);
    expect(await harness.metric("sluice_activator_inside_requests")).toBe(0);
    session.close();
  });
});

describe("gRPC", () => {
  const h2cRevision = makeRevision({ protocol: "h2c" });

  test("a call at zero is held and reaches an h2c app whole, trailers included", async () => {
    await using harness = await Harness.start({ objects: [h2cRevision, makeService()] });
    const session = open(harness);
    const reply = call(
      session,
      { ":method": "POST", "content-type": "application/grpc", te: "trailers" },
      "hi",
    );
    await harness.untilHeld(1);
    const { server, seen } = await addGrpcPod(harness);
    const { headers, trailers, body } = await reply;
    expect([headers[":status"], body, trailers["grpc-status"]]).toEqual([200, "said hi", "0"]);
    expect(seen[0]).toMatchObject({ "k-original-host": host, "k-proxy-request": "activator" });
    session.close();
    server.close();
  });

  test("large answers to HTTP/1.1 clients, slow and fast, are right to the last byte", async () => {
    const body = randomBytes(3_000_000);
    await using harness = await Harness.start({ objects: [h2cRevision, makeService()] });
    const probes = await harness.addPod("probes");
    const server = createServer();
    server.on("stream", (stream: ServerHttp2Stream) => {
      stream.on("error", () => undefined);
      stream.respond({ ":status": 200 });
      stream.end(body);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const h2c = (server.address() as AddressInfo).port;
    harness.feed.put(
      makePod({ name: "probes", ports: { main: probes.port, h2c, stats: 1, metrics: 1, admin: 1 } }),
    );
    const download = async (isSlow: boolean): Promise<boolean> => {
      const call = request({
        host: "127.0.0.1",
        port: harness.activator.publicPort,
        headers: { host },
        agent: false,
      });
      call.end();
      const [response] = (await once(call, "response")) as [IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const chunk of response) {
        chunks.push(chunk as Buffer);
        if (isSlow) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      return Buffer.concat(chunks).equals(body);
    };
    expect(await Promise.all([true, false, true, false].map(download))).toEqual([true, true, true, true]);
    server.close();
  });

  test("a call that is held in vain gets UNAVAILABLE and when to come back", async () => {
    await using harness = await Harness.start({
      objects: [
        makeRevision({ protocol: "h2c", timeouts: { request: 0.05, responseStart: 0, idle: 0 } }),
        makeService(),
      ],
    });
    await harness.aggregator?.until(() => harness.aggregator?.handshakes.length === 1);
    const session = open(harness);
    const { headers } = await call(
      session,
      { ":method": "POST", "content-type": "application/grpc+proto" },
      "hi",
    );
    expect(headers).toMatchObject({
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": "14",
      "grpc-message": "activator request timeout",
      "grpc-retry-pushback-ms": "1000",
    });
    const details = Buffer.from(String(headers["grpc-status-details-bin"]), "base64");
    expect(details.toString("latin1")).toContain("type.googleapis.com/google.rpc.RetryInfo");
    session.close();
  });
});

test("a stop says GOAWAY and lets streams that run finish", async () => {
  await using harness = await Harness.start({ settings: { SLUICE_DRAIN_TIMEOUT: "10s" } });
  let finish: () => void = () => undefined;
  const pod = await harness.addPod("a", (_request, response) => (finish = () => response.end("late")));
  const session = open(harness);
  const goAway = once(session, "goaway");
  const reply = call(session);
  while (pod.running === 0) await new Promise((resolve) => setImmediate(resolve));
  const stopped = harness.stop();
  await goAway;
  finish();
  expect((await reply).body).toBe("late");
  expect(await stopped).toEqual([]);
});
