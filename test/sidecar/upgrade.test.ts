import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer, WebSocket } from "ws";
import { ManualClock } from "../support/manual-clock.ts";
import { readMetric, RawClient, startTestSidecar, stopSidecar, until } from "../support/sidecar-harness.ts";

/** A WebSocket app that echoes, and what happened to its connections. */
async function startEcho(): Promise<{ port: number; closes: number[]; sockets: Set<unknown> }> {
  const server = createServer((_request, response) => response.writeHead(404).end("no such page"));
  const echo = new WebSocketServer({ noServer: true });
  const closes: number[] = [];
  const sockets = new Set<unknown>();
  server.on("upgrade", (request, socket, head) => {
    if (request.url === "/refuse") {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nX-App: yes\r\n\r\nnope");
      return;
    }
    echo.handleUpgrade(request, socket, head, (ws) => {
      sockets.add(ws);
      ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));
      ws.on("close", (code) => closes.push(code));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    for (const ws of echo.clients) ws.terminate();
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, closes, sockets };
}

async function open(port: number): Promise<WebSocket> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
  onTestFinished(() => ws.terminate());
  await new Promise((resolve, reject) => {
    ws.on("open", resolve).on("error", reject);
  });
  return ws;
}

function nextMessage(ws: WebSocket): Promise<string> {
  return new Promise((resolve) => {
    ws.once("message", (data: Buffer) => resolve(data.toString()));
  });
}

function whenClosed(ws: WebSocket): Promise<number> {
  return new Promise((resolve) => {
    ws.once("close", resolve);
  });
}

describe("upgrades", () => {
  test("a WebSocket talks through the sidecar, small and large messages, and its close arrives", async () => {
    const app = await startEcho();
    const { ports } = await startTestSidecar(app.port);
    const ws = await open(ports.main);
    for (const message of ["hi", "x".repeat(100_000), "bye"]) {
      const answer = nextMessage(ws);
      ws.send(message);
      expect(await answer).toBe(message);
    }
    const closed = whenClosed(ws);
    ws.close(1000);
    expect(await closed).toBe(1000);
    await until(() => app.closes.length === 1);
    expect(app.closes).toEqual([1000]);
  });

  test("an open WebSocket holds its slot: it is load until it ends", async () => {
    const app = await startEcho();
    const { ports } = await startTestSidecar(app.port, {
      CONTAINER_CONCURRENCY: "1",
      SLUICE_QUEUE_DEPTH_FACTOR: "0",
    });
    const ws = await open(ports.main);
    const refused = await new RawClient(ports.main)
      .write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      .waitFor("\r\n\r\n");
    expect(refused).toMatch(/^HTTP\/1.1 503 /);
    const closed = whenClosed(ws);
    ws.close();
    await closed;
    await until(() => app.closes.length === 1);
    let status = "";
    while (!status.startsWith("HTTP/1.1 404")) {
      status = await new RawClient(ports.main).write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").waitFor("\r\n\r\n");
    }
  });

  test("an app that refuses the upgrade is heard", async () => {
    const app = await startEcho();
    const { ports } = await startTestSidecar(app.port);
    const client = new RawClient(ports.main).write(
      "GET /refuse HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    expect(await client.waitFor("nope")).toMatch(/^HTTP\/1.1 403 Forbidden\r\n[^]*x-app: yes/i);
  });

  test("an app that is not there is a 502", async () => {
    const { ports } = await startTestSidecar(1);
    const client = new RawClient(ports.main).write(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    expect(await client.waitFor("cannot connect")).toMatch(/^HTTP\/1.1 502 /);
  });

  test("a client that vanishes takes the app's side with it", async () => {
    const app = await startEcho();
    const { ports } = await startTestSidecar(app.port);
    const ws = await open(ports.main);
    ws.terminate();
    await until(() => app.closes.length === 1);
    expect(app.closes).toEqual([1006]);
  });

  test("an offer of h2c is not taken, and the request is answered over HTTP/1.1", async () => {
    const app = await startEcho();
    const { ports } = await startTestSidecar(app.port);
    const client = new RawClient(ports.main).write(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    expect(await client.waitFor("no such page")).toMatch(/^HTTP\/1.1 404 /);
  });

  test("the response-start limit does not cut a WebSocket; silence does, and messages break the silence", async () => {
    const app = await startEcho();
    const clock = new ManualClock();
    const { ports } = await startTestSidecar(
      app.port,
      { REVISION_RESPONSE_START_TIMEOUT_SECONDS: "1", REVISION_IDLE_TIMEOUT_SECONDS: "10" },
      clock,
    );
    const ws = await open(ports.main);
    for (let round = 0; round < 5; round++) {
      clock.advance(9000);
      const answer = nextMessage(ws);
      ws.send("alive");
      expect(await answer).toBe("alive");
    }
    const closed = whenClosed(ws);
    clock.advance(10_000);
    expect(await closed).toBe(1006);
  });

  test("when the pod stops, both sides of a WebSocket hear 1001", async () => {
    const app = await startEcho();
    const sidecar = await startTestSidecar(app.port, { SLUICE_HIJACK_DRAIN: "0s" });
    const ws = await open(sidecar.ports.main);
    const closed = whenClosed(ws);
    await stopSidecar(sidecar);
    expect(await closed).toBe(1001);
    await until(() => app.closes.length === 1);
    expect(app.closes).toEqual([1001]);
  });

  test("a WebSocket is counted once, as 101", async () => {
    const app = await startEcho();
    const { ports } = await startTestSidecar(app.port);
    const ws = await open(ports.main);
    const closed = whenClosed(ws);
    ws.close();
    await closed;
    const series = 'kn_serving_invocation_duration_seconds_count{http_response_status_code="101"}';
    while ((await readMetric(ports.metrics, series)) !== 1);
    expect(await readMetric(ports.metrics, series)).toBe(1);
  });
});
