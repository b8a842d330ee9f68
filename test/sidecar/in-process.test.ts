import { AsyncLocalStorage } from "node:async_hooks";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, test } from "vitest";
import { InProcessSidecar, type InProcessOptions } from "@sluice/sidecar";
import { inProcessIdentity, kubelet, openServer, startInProcess } from "../support/in-process-harness.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { ask, RawClient, readMetric, readStat, until, untilMetric } from "../support/sidecar-harness.ts";

/** An app with the sidecar before its handler. */
async function startWrapped(
  handler: RequestListener,
  options: Partial<InProcessOptions> = {},
): Promise<{ port: number; metrics: number; stats: number; admin: number; sidecar: InProcessSidecar }> {
  const { sidecar, ports } = await startInProcess(options);
  return { sidecar, ...ports, port: await openServer(createServer(sidecar.wrap(handler))) };
}

/** An app that answers when it is told to. */
function createHolding(): { held: ServerResponse[]; handler: RequestListener } {
  const held: ServerResponse[] = [];
  return { held, handler: (_request, response) => void held.push(response) };
}

describe("the sidecar inside the app's process", () => {
  test("limits, answers probes and counts, around a plain handler", async () => {
    const { held, handler } = createHolding();
    const { port, metrics } = await startWrapped(handler, { containerConcurrency: 1, queueDepthFactor: 1 });
    expect(await ask(port, { headers: kubelet })).toMatchObject({ status: 200, body: "queue" });
    const answers = [ask(port), ask(port), ask(port)];
    expect(await Promise.race(answers)).toMatchObject({
      status: 503,
      headers: { "sluice-refused": "queue-full" },
    });
    for (let served = 0; served < 2; served++) {
      await until(() => held.length > served);
      expect(held).toHaveLength(served + 1);
      held[served]?.end("done");
    }
    expect((await Promise.all(answers)).map((answer) => answer.body)).toContain("done");
    const series = 'kn_serving_invocation_duration_seconds_count{http_response_status_code="200"}';
    expect(await readMetric(metrics, series)).toBe(2);
  });

  test("bodies of both sides are in the metrics, and requests in the stat, an activator's apart", async () => {
    const { port, metrics, stats } = await startWrapped((request, response) => {
      request.resume().on("end", () => {
        response.write("hé");
        response.end(Buffer.from("!!"));
      });
    });
    await ask(port, { method: "POST", body: "12345" });
    await ask(port, { method: "HEAD", headers: { "k-proxy-request": "activator" } });
    const post = '{http_request_method="POST",http_response_status_code="200"}';
    expect(await readMetric(metrics, `http_server_request_body_size_bytes_sum${post}`)).toBe(5);
    expect(await readMetric(metrics, `http_server_response_body_size_bytes_sum${post}`)).toBe(5);
    expect(await readMetric(metrics, `http_client_request_body_size_bytes_sum${post}`)).toBe(5);
    const head = '{http_request_method="HEAD",http_response_status_code="200"}';
    expect(await readMetric(metrics, `http_server_response_body_size_bytes_sum${head}`)).toBe(0);
    let stat = await readStat(stats);
    while (stat.requestCount === 0) stat = await readStat(stats);
    expect(stat).toMatchObject({ podName: "greeter-00001-abc", requestCount: 2, proxiedRequestCount: 1 });
  });

  test("gives the app its original host, without internal headers, and asks it whether it is ready", async () => {
    let isReady: boolean | Error = false;
    const { sidecar } = await startInProcess({
      isReady() {
        if (isReady instanceof Error) throw isReady;
        return isReady;
      },
    });
    const server = createServer();
    sidecar.attach(server);
    // Handlers that come after `attach` are behind it as well.
    server.on("request", (request, response) => response.end(JSON.stringify(request.headers)));
    const port = await openServer(server);
    const internal = {
      "k-original-host": "a.example",
      "knative-serving-revision": "r",
      "knative-serving-namespace": "n",
    };
    const seen = JSON.parse((await ask(port, { headers: { ...internal, "x-own": "1" } })).body) as object;
    expect(seen).toEqual({ host: "a.example", connection: "close", "x-own": "1" });
    expect((await ask(port, { headers: kubelet })).status).toBe(503);
    isReady = new Error("not today");
    expect((await ask(port, { headers: kubelet })).status).toBe(503);
    isReady = true;
    expect((await ask(port, { headers: kubelet })).status).toBe(200);
  });

  test("internal headers of peers that are not trusted reach nobody", async () => {
    const { port } = await startWrapped(
      (request, response) => response.end(JSON.stringify(request.headers)),
      { trustedPeers: ["10.0.0.0/8"] },
    );
    const headers = { host: "b.example", "k-original-host": "a.example", "k-proxy-request": "activator" };
    expect(JSON.parse((await ask(port, { headers })).body)).toEqual({
      host: "b.example",
      connection: "close",
    });
  });

  test("what the client asks wrongly never reaches the app", async () => {
    const { held, handler } = createHolding();
    const { port } = await startWrapped(handler);
    const client = new RawClient(port).write("GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await client.waitForClose()).toMatch(/^HTTP\/1.1 400 /);
    expect(held).toEqual([]);
  });

  test("each request keeps the context that it came with, however long it waits", async () => {
    const context = new AsyncLocalStorage<string>();
    const { sidecar } = await startInProcess({ containerConcurrency: 1 });
    const seen: unknown[] = [];
    const held: ServerResponse[] = [];
    const handler = sidecar.wrap((request, response) => {
      seen.push([request.url, context.getStore()]);
      held.push(response);
    });
    const port = await openServer(
      createServer((request, response) => context.run(request.url ?? "", () => handler(request, response))),
    );
    const answers = [ask(port, { path: "/a" }), ask(port, { path: "/b" })];
    for (let served = 0; served < 2; served++) {
      await until(() => held.length > served);
      held[served]?.end();
    }
    await Promise.all(answers);
    expect(seen).toHaveLength(2);
    expect(seen).toEqual(
      expect.arrayContaining([
        ["/a", "/a"],
        ["/b", "/b"],
      ]),
    );
  });

  test("a server is attached to once, and a limit that means nothing is told", () => {
    const sidecar = new InProcessSidecar(inProcessIdentity);
    const server = createServer();
    sidecar.attach(server);
    expect(() => sidecar.attach(server)).toThrow("attach was already called with this server");
    expect(() => new InProcessSidecar({ ...inProcessIdentity, containerConcurrency: -1 })).toThrow(
      new RangeError("containerConcurrency must be a whole number, 0 or more, not -1"),
    );
    expect(() => new InProcessSidecar({ ...inProcessIdentity, trustedPeers: ["x"] })).toThrow(RangeError);
  });

  test("a control port that is taken: start rejects, and none is open", async () => {
    const first = await startInProcess();
    const taken = first.ports.admin;
    const second = new InProcessSidecar({
      ...inProcessIdentity,
      ports: { stats: 0, metrics: 0, admin: taken },
    });
    await expect(second.start()).rejects.toThrow(/EADDRINUSE|in use/);
  });
});

describe("time limits inside the app's process", () => {
  test.each([
    ["the request's", { requestTimeoutMs: 1000 }],
    ["the limit of the answer's start", { responseStartTimeoutMs: 1000 }],
    ["silence", { idleTimeoutMs: 1000 }],
  ])("%s: 504, and what the app does later harms nobody", async (_name, options) => {
    const clock = new ManualClock();
    const { held, handler } = createHolding();
    const { port, metrics } = await startWrapped(handler, { ...options, clock });
    const client = new RawClient(port).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => held.length === 1);
    const [late] = held;
    // The app had begun to say what its answer would be.
    late?.setHeader("Content-Length", "1000").setHeader("X-App", "1");
    clock.advance(1000);
    const answer = await client.waitFor("request timeout");
    expect(answer).toMatch(/^HTTP\/1.1 504 /);
    expect(answer).not.toMatch(/x-app|1000/i);
    late?.setHeader("X-Late", "1");
    late?.writeHead(200, { "X-Late": "1" });
    late?.appendHeader("X-Late", "2").removeHeader("X-Late");
    late?.flushHeaders();
    expect(late?.write("too late")).toBe(true);
    await new Promise<void>((resolve) => late?.end("too late", resolve));
    late?.destroy();
    // The connection serves the next request.
    client.write("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => held.length === 2);
    held[1]?.end("in time");
    await client.waitFor("in time");
    expect(client.received).not.toContain("late");
    await untilMetric(
      metrics,
      'http_server_request_duration_seconds_count{http_response_status_code="504"}',
      1,
    );
  });

  test("after the start the text ends a body of unknown length, and a declared one breaks off", async () => {
    const clock = new ManualClock();
    const { held, handler } = createHolding();
    const { port } = await startWrapped(handler, { requestTimeoutMs: 1000, clock });
    const open = new RawClient(port).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const declared = new RawClient(port).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => held.length === 2);
    held[0]?.write("begun");
    held[1]?.writeHead(200, { "Content-Length": "100" }).write("begun");
    const isDeclared = (client: RawClient): boolean => client.received.includes("Content-Length: 100");
    await Promise.all([open.waitFor("begun"), declared.waitFor("begun")]);
    const [unknown, known] = isDeclared(declared) ? [open, declared] : [declared, open];
    clock.advance(1000);
    expect(await unknown.waitFor("0\r\n\r\n")).toContain("begun\r\nf\r\nrequest timeout\r\n0\r\n\r\n");
    expect(await known.waitForClose()).toMatch(/begun$/);
  });

  test("an answer that begins ends the limit of its start; each piece begins silence anew", async () => {
    const clock = new ManualClock();
    const { held, handler } = createHolding();
    const { port } = await startWrapped(handler, {
      responseStartTimeoutMs: 1000,
      idleTimeoutMs: 1000,
      clock,
    });
    const client = new RawClient(port).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => held.length === 1);
    for (const piece of ["one", "two", "three"]) {
      clock.advance(900);
      held[0]?.write(piece);
      await client.waitFor(piece);
    }
    clock.advance(1000);
    expect(await client.waitFor("request timeout\r\n0\r\n\r\n")).toMatch(/^HTTP\/1.1 200 /);
  });
});

describe("an answer that goes wrong inside the app's process", () => {
  test("given up before it began it is a 502, and broken off afterwards", async () => {
    const { port, metrics } = await startWrapped((request, response) => {
      if (request.url === "/begun") response.writeHead(200, { "Content-Length": "9" }).write("begun");
      setImmediate(() => {
        response.destroy();
        // An app that does not know that it has given up.
        response.setHeader("X-Late", "1");
        response.end("late");
      });
    });
    expect(await ask(port)).toMatchObject({ status: 502, body: "the app closed the connection\n" });
    const begun = new RawClient(port).write("GET /begun HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await begun.waitForClose()).toMatch(/begun$/);
    const count = "http_server_request_duration_seconds_count";
    await untilMetric(metrics, `${count}{http_response_status_code="502"}`, 1);
    await untilMetric(metrics, `${count}{http_response_status_code="500"}`, 1);
  });

  test("a source that fails in a pipeline is a 502 for the client and an error for the app", async () => {
    const errors: unknown[] = [];
    const { port } = await startWrapped((_request, response) => {
      const source = new Readable({ read: () => source.destroy(new Error("disk gone")) });
      pipeline(source, response).catch((error: unknown) => void errors.push(error));
    });
    expect((await ask(port)).status).toBe(502);
    await until(() => errors.length === 1);
    expect(errors).toEqual([new Error("disk gone")]);
  });

  test("a client that leaves is 499, gives its slot back, and never reaches the app if it waited", async () => {
    const { held, handler } = createHolding();
    const limits = { containerConcurrency: 1, queueDepthFactor: 1 };
    const { port, metrics } = await startWrapped(handler, limits);
    const gone = 'http_server_request_duration_seconds_count{http_response_status_code="499"}';
    const running = new RawClient(port).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => held.length === 1);
    // There is room for one of the two.
    const others = [1, 2].map(() => new RawClient(port).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    await Promise.race(others.map((client) => client.waitFor(" 503 ")));
    for (const client of others) client.socket.destroy();
    await untilMetric(metrics, gone, 1);
    running.socket.destroy();
    await untilMetric(metrics, gone, 2);
    const next = ask(port);
    await until(() => held.length === 2);
    held[1]?.end("served");
    expect((await next).body).toBe("served");
    expect(held).toHaveLength(2);
  });
});

describe("draining inside the app's process", () => {
  test("probes hear 503, requests are served and their connections end, and stop waits for them", async () => {
    const { held, handler } = createHolding();
    const { sidecar, port } = await startWrapped(handler);
    const client = new RawClient(port).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => held.length === 1);
    let isStopped = false;
    const stopped = sidecar.stop().then(() => (isStopped = true));
    expect((await ask(port, { headers: kubelet })).status).toBe(503);
    expect(isStopped).toBe(false);
    held[0]?.end("served");
    expect(await client.waitForClose()).toMatch(/^HTTP\/1.1 200 [^]*Connection: close\r\n[^]*served/);
    await stopped;
  });

  test("/wait-for-drain answers after the quiet period, and is taken back", async () => {
    const { port, admin } = await startWrapped((_request, response) => response.end("ok"));
    expect((await ask(admin, { path: "/wait-for-drain" })).status).toBe(200);
    let status = 0;
    while (status !== 200) ({ status } = await ask(port, { headers: kubelet }));
  });

  test("what does not end is left after its time", async () => {
    const clock = new ManualClock();
    const { held, handler } = createHolding();
    const { sidecar, port } = await startWrapped(handler, { hijackDrainMs: 5000, clock });
    new RawClient(port).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => held.length === 1);
    let isStopped = false;
    const stopped = sidecar.stop().then(() => (isStopped = true));
    await ask(port, { headers: kubelet });
    clock.advance(5000);
    await ask(port, { headers: kubelet });
    expect(isStopped).toBe(false);
    clock.advance(1000);
    await stopped;
  });
});
