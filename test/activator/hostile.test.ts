import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttp1, type RequestListener } from "node:http";
import {
  connect as connectHttp2,
  createServer as createHttp2,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { createServer as createTcp, type AddressInfo, type Server } from "node:net";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { RawClient } from "../support/sidecar-harness.ts";
import { Harness } from "./support/activator-harness.ts";
import { echo } from "./support/fake-pod.ts";
import { makePod, makeRevision, makeService } from "./support/feed-objects.ts";

const host = "hello.default.example.com";
const harnesses: Harness[] = [];

afterEach(async () => {
  for (const harness of harnesses.splice(0)) await harness[Symbol.asyncDispose]();
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

interface Http2Stage {
  readonly harness: Harness;
  /** Names and values in turn. */
  readonly heads: string[][];
  readonly trailers: IncomingHttpHeaders[];
}

/** A revision whose pod speaks HTTP/2. */
async function setHttp2Stage(): Promise<Http2Stage> {
  const heads: string[][] = [];
  const trailers: IncomingHttpHeaders[] = [];
  const app = createHttp2();
  app.on("stream", (stream: ServerHttp2Stream, _headers, _flags, rawHeaders) => {
    heads.push(rawHeaders);
    stream.on("trailers", (sent) => void trailers.push(sent));
    stream.on("error", () => stream.destroy()).resume();
    stream.on("end", () => {
      stream.respond({ ":status": 200 });
      stream.end("ok");
    });
  });
  const answerProbe: RequestListener = (_request, response) => void response.end("queue");
  const main = await listen(createHttp1(answerProbe));
  const h2c = await listen(app);
  const pod = makePod({ ports: { main, h2c, stats: 9090, metrics: 9091, admin: 8022 } });
  const harness = await Harness.start({ objects: [makeRevision({ protocol: "h2c" }), makeService(), pod] });
  harnesses.push(harness);
  return { harness, heads, trailers };
}

describe("a client that sends to an HTTP/2 app what HTTP/2 forbids", () => {
  test.each([
    "Connection: close",
    "TE: gzip",
    "Upgrade: x",
    "Keep-Alive: x",
    "Host: evil",
    "K-Original-Host: evil",
  ])("the trailer %s ends there, and the process goes on", async (trailer) => {
    const { harness, trailers } = await setHttp2Stage();
    const client = new RawClient(harness.activator.publicPort).write(
      `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n` +
        `3\r\nabc\r\n0\r\nX-T: 1\r\n${trailer}\r\n\r\n`,
    );
    expect(await client.waitFor(/\r\nok\r\n/)).toMatch(/^HTTP\/1.1 200 /);
    expect(trailers.map(Object.entries)).toEqual([[["x-t", "1"]]]);
  });

  test.each(["Content-Type", "User-Agent", "Authorization"])(
    "%s twice is sent on as it came, as to an app of HTTP/1.1",
    async (name) => {
      const { harness, heads } = await setHttp2Stage();
      const client = new RawClient(harness.activator.publicPort).write(
        `GET / HTTP/1.1\r\nHost: ${host}\r\n${name}: a\r\n${name}: b\r\n\r\n`,
      );
      expect(await client.waitFor(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 200 /);
      const [raw = []] = heads;
      const sent = raw.filter((_, index) => raw[index - 1] === name.toLowerCase() && index % 2 === 1);
      expect(sent).toEqual(["a", "b"]);
    },
  );
});

describe("an app that answers a client of HTTP/2 with what HTTP/2 forbids", () => {
  const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  test.each<[string, string]>([
    ["early hints with two types", `HTTP/1.1 103 x\r\nContent-Type: a\r\nContent-Type: b\r\n\r\n${ok}`],
    [
      "early hints about the connection",
      `HTTP/1.1 103 x\r\nKeep-Alive: x\r\nProxy-Connection: x\r\n\r\n${ok}`,
    ],
    [
      "two types in the trailers",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Type: a\r\nContent-Type: b\r\n\r\n",
    ],
    [
      "two types in the head",
      "HTTP/1.1 200 OK\r\nContent-Type: a\r\nContent-Type: b\r\nContent-Length: 2\r\n\r\nok",
    ],
    ["a status beyond 599", "HTTP/1.1 700 x\r\nContent-Length: 2\r\n\r\nok"],
  ])("%s: the stream ends one way or the other, and the process goes on", async (_what, bytes) => {
    let reply = bytes;
    const app = createTcp((socket) => {
      socket.on("error", () => socket.destroy());
      socket.on("data", (data) => {
        const text = data.toString("latin1");
        if (!/^(GET|POST) /.test(text)) return;
        const isProbe = /network-probe/i.test(text);
        socket.write(isProbe ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nqueue" : reply, "latin1");
      });
      onTestFinished(() => void socket.destroy());
    });
    const main = await listen(app);
    const pod = makePod({ ports: { main, stats: 9090, metrics: 9091, admin: 8022 } });
    const harness = await Harness.start({ objects: [makeRevision(), makeService(), pod] });
    harnesses.push(harness);
    for (const expectation of [{}, { expect: "100-continue" }]) {
      const session = connectHttp2(`http://127.0.0.1:${harness.activator.publicPort}`);
      session.on("error", () => undefined);
      onTestFinished(() => session.destroy());
      const stream = session.request({ ":authority": host, ":method": "POST", ...expectation });
      stream.on("error", () => undefined).resume();
      const closed = new Promise((resolve) => stream.on("close", resolve));
      stream.end("abc");
      await closed;
    }
    reply = ok;
    expect(await harness.call()).toMatchObject({ status: 200, body: "ok" });
    await harness.untilMetric("sluice_activator_inside_requests", (inside) => inside === 0);
  });
});

describe("a client of HTTP/2 with small windows", () => {
  test.each([100, 10_000, 20_000, 65_535])("gets all of an HTTP/1.1 app's answer (%i)", async (window) => {
    const body = randomBytes(500_000);
    const harness = await Harness.start();
    harnesses.push(harness);
    await harness.addPod("hello-00001-0", (_request, response) => {
      response.setHeader("content-length", body.length);
      response.end(body);
    });
    const session = connectHttp2(`http://127.0.0.1:${harness.activator.publicPort}`, {
      settings: { initialWindowSize: window },
    });
    onTestFinished(() => session.destroy());
    const chunks: Buffer[] = [];
    const stream = session.request({ ":authority": host });
    stream.on("data", (chunk: Buffer) => void chunks.push(chunk));
    await once(stream, "end");
    expect(Buffer.concat(chunks).equals(body)).toBe(true);
  });
});

describe("names that an app cannot tell from ours", () => {
  test.each([
    "k_original_host",
    "K_Proxy-Request",
    "knative_serving_revision",
    "Sluice_Refused",
    "X_Forwarded_For",
    "X-Forwarded_Proto",
    "x_forwarded_anything",
  ])("%s from outside does not get through", async (name) => {
    const harness = await Harness.start();
    harnesses.push(harness);
    await harness.addPod("hello-00001-a", echo);
    const { body } = await harness.call({ headers: { [name]: "forged", my_own_header: "kept" } });
    expect(body).not.toContain("forged");
    expect(body).toContain("kept");
  });

  test("cookies that HTTP/2 took apart are one header again", async () => {
    const harness = await Harness.start();
    harnesses.push(harness);
    const pod = await harness.addPod();
    const session = connectHttp2(`http://127.0.0.1:${harness.activator.publicPort}`);
    onTestFinished(() => session.destroy());
    const stream = session.request({ ":authority": host, cookie: ["a=1", "b=2"] });
    await new Promise((resolve) => stream.on("close", resolve).resume());
    const raw = pod.requests[0]?.rawHeaders ?? [];
    expect(raw.filter((_text, index) => raw[index - 1]?.toLowerCase() === "cookie")).toEqual(["a=1; b=2"]);
  });
});
