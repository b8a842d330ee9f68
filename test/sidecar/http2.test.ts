import {
  constants,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { describe, expect, test } from "vitest";
import { askStream, connectHttp2, startHttp2App, type OnStream } from "../support/http2-harness.ts";
import { fields, frame, RawHttp2, type, whole } from "../support/raw-http2.ts";
import { ask, readMetric, startTestSidecar, until, untilMetric } from "../support/sidecar-harness.ts";

/** An h2c app, a sidecar in front of it and a client connection to that. */
async function startHttp2(
  onStream: OnStream,
  overrides: Readonly<Record<string, string>> = {},
): Promise<{ client: ClientHttp2Session; ports: { main: number; metrics: number } }> {
  const app = await startHttp2App(onStream);
  const { ports } = await startTestSidecar(app.port, overrides);
  return { client: connectHttp2(ports.main), ports };
}

describe("h2c on the main port", () => {
  test("a request reaches an h2c app with its authority, path and headers, and its answer comes back", async () => {
    const seen: IncomingHttpHeaders[] = [];
    const { client } = await startHttp2((stream, headers) => {
      seen.push(headers);
      stream.respond({ ":status": 201, "x-app": "yes", "set-cookie": ["a=1", "b=2"] });
      stream.end("hello");
    });
    const answer = await askStream(client, { ":path": "/a?b", "x-mine": "1", te: "trailers" });
    expect(answer).toMatchObject({ status: 201, body: "hello", rstCode: 0 });
    expect(answer.headers).toMatchObject({ "x-app": "yes", "set-cookie": ["a=1", "b=2"] });
    expect(seen[0]).toMatchObject({
      ":method": "GET",
      ":path": "/a?b",
      ":authority": "greeter.example",
      "x-mine": "1",
      te: "trailers",
      "x-forwarded-for": "127.0.0.1",
    });
  });

  test("HTTP/1.1 is answered on the same port at the same time", async () => {
    const { client, ports } = await startHttp2((stream) => {
      stream.respond({ ":status": 200 });
      stream.end("h2");
    });
    const probe = { "user-agent": "kube-probe/1", "k-network-probe": "queue" };
    const [h2, h1] = await Promise.all([askStream(client, {}), ask(ports.main, { headers: probe })]);
    expect(h2.body).toBe("h2");
    expect(h1.body).toBe("queue");
  });

  test("gRPC, unary: a message each way, and the status in the trailers", async () => {
    const { client } = await startHttp2((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "ok" }));
      stream.pipe(stream);
    });
    const answer = await askStream(
      client,
      { ":method": "POST", "content-type": "application/grpc", te: "trailers" },
      "ping",
    );
    expect(answer).toMatchObject({
      status: 200,
      body: "ping",
      trailers: { "grpc-status": "0", "grpc-message": "ok" },
    });
  });

  test("gRPC, trailers only: an error without a body keeps its status", async () => {
    const { client } = await startHttp2((stream) => {
      stream.respond(
        { ":status": 200, "content-type": "application/grpc", "grpc-status": "12" },
        { endStream: true },
      );
    });
    const answer = await askStream(client, { ":method": "POST", "content-type": "application/grpc" }, "ping");
    expect(answer).toMatchObject({ isHeadOnly: true, rstCode: 0, headers: { "grpc-status": "12" } });
  });

  test("streams in both directions at once: each message is answered before the next is sent", async () => {
    const { client } = await startHttp2((stream) => {
      stream.respond({ ":status": 200 });
      stream.on("data", (chunk: Buffer) => stream.write(`<${chunk.toString()}>`));
      stream.on("end", () => stream.end());
    });
    const stream = client.request({ ":method": "POST", ":path": "/", ":authority": "a" });
    let received = "";
    stream.setEncoding("utf8").on("data", (text: string) => (received += text));
    for (const message of ["one", "two", "three"]) {
      stream.write(message);
      await until(() => received.endsWith(`<${message}>`));
    }
    stream.end();
    await new Promise((resolve) => stream.on("close", resolve));
    expect(received).toBe("<one><two><three>");
  });

  test("a client that resets its stream cancels the app's, and counts as 499", async () => {
    const resets: number[] = [];
    let started = 0;
    const { client, ports } = await startHttp2((stream) => {
      started++;
      stream.on("close", () => resets.push(stream.rstCode));
    });
    const stream = client.request({ ":path": "/", ":authority": "a" });
    stream.on("error", () => undefined);
    await until(() => started === 1);
    stream.close(constants.NGHTTP2_CANCEL);
    await until(() => resets.length === 1);
    expect(resets).toEqual([constants.NGHTTP2_CANCEL]);
    const labels = 'http_request_method="GET",http_response_status_code="499",kn_route_tag="kn:disabled"';
    await untilMetric(ports.metrics, `http_server_request_duration_seconds_count{${labels}}`, 1);
  });

  test("an app that resets a stream after it began does not make the answer look whole", async () => {
    const { client } = await startHttp2((stream) => {
      stream.respond({ ":status": 200 });
      stream.write("half", () => stream.destroy(new Error("the app breaks off")));
    });
    const answer = await askStream(client, {});
    expect(answer.rstCode).not.toBe(constants.NGHTTP2_NO_ERROR);
  });

  test("an app that is not there is a 502", async () => {
    const { ports } = await startTestSidecar(1);
    const answer = await askStream(connectHttp2(ports.main));
    expect(answer).toMatchObject({ status: 502, body: "cannot connect to the app\n" });
  });

  test("the limit holds for streams, and what is beyond the queue is refused", async () => {
    const held: ServerHttp2Stream[] = [];
    const { client } = await startHttp2((stream) => void held.push(stream), {
      CONTAINER_CONCURRENCY: "1",
      SLUICE_QUEUE_DEPTH_FACTOR: "1",
    });
    const answers = [askStream(client, {}), askStream(client, {}), askStream(client, {})];
    expect(await Promise.race(answers)).toMatchObject({
      status: 503,
      headers: { "sluice-refused": "queue-full" },
    });
    for (let served = 0; served < 2; served++) {
      await until(() => held.length > served);
      expect(held).toHaveLength(served + 1);
      held[served]?.respond({ ":status": 200 });
      held[served]?.end();
    }
    expect((await Promise.all(answers)).map((answer) => answer.status)).toEqual(
      expect.arrayContaining([200, 200, 503]),
    );
  });

  test("many streams on one connection are all answered and counted", async () => {
    const { client, ports } = await startHttp2((stream) => {
      stream.respond({ ":status": 200 });
      stream.end("x".repeat(1000));
    });
    const answers = await Promise.all(Array.from({ length: 300 }, () => askStream(client, {})));
    expect(answers.every((answer) => answer.status === 200 && answer.body.length === 1000)).toBe(true);
    const labels = 'http_response_status_code="200"';
    expect(await readMetric(ports.metrics, `kn_serving_invocation_duration_seconds_count{${labels}}`)).toBe(
      300,
    );
  });

  test("a large body goes through whole, in both directions", async () => {
    const { client } = await startHttp2((stream) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    });
    const body = "0123456789abcdef".repeat(256 * 1024);
    const answer = await askStream(client, { ":method": "POST" }, body);
    expect(answer.body.length).toBe(body.length);
    expect(answer.body === body).toBe(true);
  });

  test("trailers of a request reach the app, announced as they were", async () => {
    const seen: IncomingHttpHeaders[] = [];
    const { client } = await startHttp2((stream, headers) => {
      stream.on("trailers", (trailers: IncomingHttpHeaders) => void seen.push(headers, trailers));
      stream.resume().on("end", () => stream.respond({ ":status": 200 }, { endStream: true }));
    });
    const stream = client.request(
      { ":method": "POST", ":path": "/", trailer: "x-sum" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "1", "content-length": "9" }));
    stream.end("body");
    await new Promise((resolve) => stream.resume().on("close", resolve));
    expect(seen).toMatchObject([{ trailer: "x-sum" }, { "x-sum": "1" }]);
    expect(seen[1]).not.toHaveProperty("content-length");
  });

  test("a client that waits for 100 Continue gets it, and sends its body", async () => {
    const { client } = await startHttp2((stream) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    });
    const stream = client.request({ ":method": "POST", ":path": "/", expect: "100-continue" });
    await new Promise((resolve) => stream.on("continue", resolve));
    stream.setEncoding("utf8").end("after");
    let body = "";
    for await (const text of stream) body += String(text);
    expect(body).toBe("after");
  });

  test("early hints come before the answer", async () => {
    const { client } = await startHttp2((stream) => {
      stream.additionalHeaders({ ":status": 103, link: "</a>" });
      stream.respond({ ":status": 200 });
      stream.end("ok");
    });
    const stream = client.request({ ":path": "/" });
    const hints = new Promise((resolve) => stream.on("headers", resolve));
    expect(await hints).toMatchObject({ ":status": 103, link: "</a>" });
    await new Promise((resolve) => stream.resume().on("close", resolve));
  });

  test.each<[string, string, number, Record<string, string>]>([
    ["HEAD keeps the length", "HEAD", 200, { "content-length": "5" }],
    ["304 keeps the length", "GET", 304, { "content-length": "5" }],
    ["204 has nothing", "GET", 204, {}],
    ["205 has nothing", "GET", 205, {}],
  ])("%s and ends with its head", async (_what, method, status, headers) => {
    const { client } = await startHttp2((stream) =>
      stream.respond({ ":status": status, ...headers }, { endStream: true }),
    );
    const answer = await askStream(client, { ":method": method });
    expect(answer).toMatchObject({ status, headers, body: "", isHeadOnly: true, rstCode: 0 });
  });

  test.each<[string, number]>([
    ["requests", 60_000],
    ["answers", 60_000],
  ])("large headers of %s go through", async (which, size) => {
    const seen: IncomingHttpHeaders[] = [];
    const { client } = await startHttp2((stream, headers) => {
      seen.push(headers);
      stream.respond({ ":status": 200, ...(which === "answers" && { "x-large": "y".repeat(size) }) });
      stream.end();
    });
    const answer = await askStream(client, which === "requests" ? { "x-large": "y".repeat(size) } : {});
    const received = which === "requests" ? seen[0] : answer.headers;
    expect(String(received?.["x-large"]).length).toBe(size);
  });

  test.each<[string, readonly (readonly [string, string])[], RegExp]>([
    ["names no host, is for the app's own address", [], /^127\.0\.0\.1:\d+$/],
    ["names its host in Host alone", [["host", "b.example"]], /^b\.example$/],
    [
      "has an empty authority and a Host",
      [
        [":authority", ""],
        ["host", "b.example"],
      ],
      /^b\.example$/,
    ],
  ])("a request that %s", async (_what, list, expected) => {
    const seen: IncomingHttpHeaders[] = [];
    const { ports } = await startHttp2((stream, headers) => {
      seen.push(headers);
      stream.respond({ ":status": 204 }, { endStream: true });
    });
    const head = [[":method", "GET"], [":scheme", "http"], [":path", "/"], ...list] as const;
    const client = new RawHttp2(ports.main).greet().send(frame(type.headers, whole, 1, fields(head)));
    expect(await client.outcome(1)).toBe("status 204");
    expect(seen[0]?.[":authority"]).toMatch(expected);
  });
});
