import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { request } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { ask, RawClient, startApp, startTestSidecar, until } from "../support/sidecar-harness.ts";

/** An app that is nothing but bytes: answers each connection's first request with `answer`. */
async function startRawApp(
  answer: (socket: Socket) => void,
): Promise<{ port: number; received: () => string }> {
  let received = "";
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    let isAnswered = false;
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (isAnswered || !received.includes("\r\n\r\n")) return;
      isAnswered = true;
      answer(socket);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, received: () => received };
}

describe("bodies", () => {
  test.each([
    ["of declared length", { "content-length": "5000000" }],
    ["in chunks", { "transfer-encoding": "chunked" }],
  ])("%s go through whole, both ways", async (_framing, headers) => {
    const app = await startApp((received, response) => void received.pipe(response));
    const { ports } = await startTestSidecar(app.port);
    const body = Buffer.alloc(5_000_000, "0123456789");
    const answer = await ask(ports.main, { method: "POST", headers, body });
    expect(answer.body === body.toString()).toBe(true);
    expect(app.requests[0]?.headers["content-length"]).toBe(
      "content-length" in headers ? headers["content-length"] : undefined,
    );
  });

  test("an answer goes only as fast as the client reads: a reader that stops holds the app back", async () => {
    let written = 0;
    const piece = Buffer.alloc(64 * 1024);
    const app = await startApp((_request, response) => {
      const more = (): void => {
        while (written < 200 * 1024 * 1024) {
          written += piece.length;
          if (!response.write(piece)) return;
        }
      };
      response.on("drain", more);
      more();
    });
    const { ports } = await startTestSidecar(app.port);
    const client = new RawClient(ports.main);
    client.socket.pause();
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => app.requests.length === 1);
    // It stands still when nothing moves for many turns of the loop; buffers of sockets are all that was filled.
    let before = -1;
    for (let turns = 0; turns < 200; turns++) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (written === before && turns > 50) break;
    }
    expect(written).toBe(before);
    expect(written).toBeLessThan(100 * 1024 * 1024);
  });

  test("server-sent events arrive one by one, each before the next is sent", async () => {
    let send: (text: string) => void = () => undefined;
    const app = await startApp((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      send = (text) => void response.write(`data: ${text}\n\n`);
      response.flushHeaders();
    });
    const { ports } = await startTestSidecar(app.port);
    const client = new RawClient(ports.main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.waitFor("text/event-stream");
    for (const text of ["one", "two", "three"]) {
      send(text);
      expect(await client.waitFor(`data: ${text}\n\n`)).toContain(`data: ${text}\n\n`);
    }
  });

  test("full duplex: the answer begins while the request still comes", async () => {
    const app = await startApp((received, response) => {
      received.on("data", (chunk: Buffer) => response.write(`<${chunk.toString()}>`));
      received.on("end", () => response.end());
    });
    const { ports } = await startTestSidecar(app.port);
    const client = new RawClient(ports.main).write(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    for (const text of ["one", "two", "six"]) {
      client.write(`3\r\n${text}\r\n`);
      expect(await client.waitFor(`<${text}>`)).toContain(`<${text}>`);
    }
    client.write("0\r\n\r\n");
    await client.waitFor("0\r\n\r\n");
  });

  test("an app that answers without wanting the body is heard, and the next request works", async () => {
    const app = await startApp((received, response) => {
      response.writeHead(413).end("too much");
      received.resume();
    });
    const { ports } = await startTestSidecar(app.port);
    const answer = await ask(ports.main, { method: "POST", body: Buffer.alloc(3_000_000) });
    expect(answer).toMatchObject({ status: 413, body: "too much" });
    expect((await ask(ports.main)).status).toBe(413);
  });

  test.each([
    ["HEAD keeps the length and has no body", "HEAD", 200, "Content-Length: 5\r\n", /content-length: 5\r\n/i],
    ["204 has no body and no framing", "GET", 204, "", /^HTTP\/1.1 204 /],
    ["304 keeps the length and has no body", "GET", 304, "Content-Length: 5\r\n", /content-length: 5\r\n/i],
  ])("%s", async (_what, method, status, headers, expected) => {
    const app = await startRawApp((socket) => socket.write(`HTTP/1.1 ${status} X\r\n${headers}\r\n`));
    const { ports } = await startTestSidecar(app.port);
    const client = new RawClient(ports.main).write(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    const received = await client.waitFor("\r\n\r\n");
    expect(received).toMatch(expected);
    expect(received).toMatch(/\r\n\r\n$/);
    expect(received).not.toMatch(/transfer-encoding/i);
  });
});

describe("interim answers, expectations and trailers", () => {
  test("1xx are passed on before the final answer, whose status is kept", async () => {
    const app = await startApp((_request, response) => {
      response.writeEarlyHints({ link: "</a.css>; rel=preload" }, () => response.writeHead(201).end("made"));
    });
    const { ports } = await startTestSidecar(app.port);
    const client = new RawClient(ports.main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await client.waitFor("made")).toMatch(
      /^HTTP\/1.1 103 Early Hints\r\nlink: [^]*\r\n\r\nHTTP\/1.1 201 Created/i,
    );
  });

  test("Expect: 100-continue is the app's to answer, and the body follows its 100", async () => {
    const app = await startApp((received, response) => void received.pipe(response));
    const { ports } = await startTestSidecar(app.port);
    const client = new RawClient(ports.main).write(
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    );
    expect(await client.waitFor("\r\n\r\n")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    client.write("body");
    expect(await client.waitFor("body")).toMatch(/HTTP\/1.1 200 OK/);
    expect(app.requests[0]?.headers.expect).toBe("100-continue");
  });

  test("an app that refuses is heard before any of the body was sent", async () => {
    const app = await startRawApp((socket) =>
      socket.write("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"),
    );
    const { ports } = await startTestSidecar(app.port);
    const client = new RawClient(ports.main).write(
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    );
    expect(await client.waitFor("no")).toMatch(/^HTTP\/1.1 417 /);
  });

  test("the request's trailers reach the app, and the answer's the client", async () => {
    const app = await startApp((received, response) => {
      received.resume();
      received.on("end", () => {
        response.writeHead(200, { trailer: "x-sum" });
        response.write("done");
        response.addTrailers({ "x-sum": received.trailers["x-count"] ?? "none" });
        response.end();
      });
    });
    const { ports } = await startTestSidecar(app.port);
    const answer = await new Promise<{ announced: unknown; trailers: unknown }>((resolve, reject) => {
      const sent = request({
        port: ports.main,
        host: "127.0.0.1",
        method: "POST",
        headers: { trailer: "X-Count" },
      });
      sent.on("error", reject).on("response", (response) => {
        response.resume();
        response.on("end", () =>
          resolve({ announced: response.headers.trailer, trailers: response.trailers }),
        );
      });
      sent.write("body");
      sent.addTrailers({ "X-Count": "7" });
      sent.end();
    });
    expect(answer).toEqual({ announced: "x-sum", trailers: { "x-sum": "7" } });
  });
});

describe("an app that fails", () => {
  test.each<[string, (socket: Socket) => void, string]>([
    ["closes without a word", (socket) => socket.destroy(), "the app closed the connection\n"],
    ["answers nonsense", (socket) => socket.end("nonsense\r\n\r\n"), "the app's answer is not valid HTTP\n"],
    [
      "answers with two framings",
      (socket) =>
        socket.end("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      "the app's answer is not valid HTTP\n",
    ],
    [
      "answers with a header that is none",
      (socket) => socket.end("HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 0\r\n\r\n"),
      "the app's answer is not valid HTTP\n",
    ],
  ])("an app that %s is a 502, without its details", async (_what, answer, body) => {
    const app = await startRawApp(answer);
    const { ports } = await startTestSidecar(app.port);
    expect(await ask(ports.main, { method: "POST", body: "x" })).toMatchObject({ status: 502, body });
  });

  test.each([
    ["of declared length", "Content-Length: 100\r\n\r\nhalf"],
    ["in chunks", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"],
  ])("an answer %s that stops halfway is broken off, not completed", async (_framing, rest) => {
    let appSocket: Socket | undefined;
    const app = await startRawApp((socket) => {
      appSocket = socket;
      socket.write(`HTTP/1.1 200 OK\r\n${rest}`);
    });
    const { ports } = await startTestSidecar(app.port);
    const client = new RawClient(ports.main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.waitFor("half");
    appSocket?.destroy();
    expect(await client.waitForClose()).toMatch(/half(\r\n)?$/);
  });
});
