import { createServer, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { InProcessOptions, InProcessSidecar } from "@sluice/sidecar";
import { openServer, startInProcess } from "../support/in-process-harness.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { ask, RawClient, until, untilMetric } from "../support/sidecar-harness.ts";

interface EchoApp {
  readonly sidecar: InProcessSidecar;
  readonly port: number;
  readonly metrics: number;
  readonly echo: WebSocketServer;
}

/** A WebSocket app with the sidecar inside, which got its WebSockets after the sidecar was attached. */
async function startEcho(options: Partial<InProcessOptions> = {}): Promise<EchoApp> {
  const { sidecar, ports } = await startInProcess(options);
  const server = createServer((_request, response) => response.end("page"));
  sidecar.attach(server);
  const echo = new WebSocketServer({ server });
  echo.on("connection", (ws) => ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary })));
  onTestFinished(() => {
    for (const ws of echo.clients) ws.terminate();
  });
  return { sidecar, port: await openServer(server), metrics: ports.metrics, echo };
}

/** An app that does with a socket what it is told. */
async function startUpgradeApp(
  onUpgrade: (socket: Duplex, head: Buffer) => void,
  options: Partial<InProcessOptions> = {},
): Promise<{ port: number; metrics: number; server: Server }> {
  const { sidecar, ports } = await startInProcess(options);
  const server = createServer(sidecar.wrap((_request, response) => void response.end("page")));
  server.on(
    "upgrade",
    sidecar.wrapUpgrade((_request, socket, head) => onUpgrade(socket, head)),
  );
  return { port: await openServer(server), metrics: ports.metrics, server };
}

async function open(port: number): Promise<WebSocket> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
  onTestFinished(() => ws.terminate());
  await new Promise((resolve, reject) => {
    ws.on("open", resolve).on("error", reject);
  });
  return ws;
}

async function exchange(ws: WebSocket, message: string): Promise<string> {
  const answer = new Promise<string>((resolve) => {
    ws.once("message", (data: Buffer) => resolve(data.toString()));
  });
  ws.send(message);
  return await answer;
}

function whenClosed(ws: WebSocket): Promise<number> {
  return new Promise((resolve) => {
    ws.once("close", resolve);
  });
}

const handshake = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
const agreement = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
const count = "http_server_request_duration_seconds_count";

describe("WebSockets of an app with the sidecar inside", () => {
  test("talk, hold a slot until they end, and count as 101", async () => {
    const { port, metrics } = await startEcho({ containerConcurrency: 1, queueDepthFactor: 0 });
    const ws = await open(port);
    for (const message of ["hi", "x".repeat(100_000)]) expect(await exchange(ws, message)).toBe(message);
    expect((await ask(port)).status).toBe(503);
    const closed = whenClosed(ws);
    ws.close(1000);
    expect(await closed).toBe(1000);
    await untilMetric(metrics, `${count}{http_response_status_code="101"}`, 1);
    expect((await ask(port)).body).toBe("page");
  });

  test("only the limits of silence and of the whole cut them", async () => {
    const clock = new ManualClock();
    const { port } = await startEcho({ responseStartTimeoutMs: 500, idleTimeoutMs: 1000, clock });
    const ws = await open(port);
    for (let time = 0; time < 3; time++) {
      clock.advance(900);
      expect(await exchange(ws, "still here")).toBe("still here");
    }
    const closed = whenClosed(ws);
    clock.advance(1000);
    expect(await closed).toBe(1006);
  });

  test("hear 1001 between two frames when the pod goes", async () => {
    const clock = new ManualClock();
    const { sidecar, port, echo } = await startEcho({ hijackDrainMs: 5000, clock });
    const ws = await open(port);
    const [atApp] = echo.clients;
    const codes: number[] = [];
    atApp?.once("close", (code) => void codes.push(code));
    const closed = whenClosed(ws);
    const stopped = sidecar.stop();
    expect(await exchange(ws, "still served")).toBe("still served");
    clock.advance(5000);
    expect(await closed).toBe(1001);
    await until(() => codes.length === 1);
    expect(codes).toEqual([1001]);
    await stopped;
  });
});

describe("other upgrades of an app with the sidecar inside", () => {
  test("one that waits for a slot keeps what its client says early", async () => {
    const sockets: Duplex[] = [];
    const { port } = await startUpgradeApp(
      (socket, head) => {
        sockets.push(socket);
        // An app that takes its time before it listens.
        setImmediate(() => {
          socket.write(`${agreement}early: ${head.toString()};`);
          socket.on("data", (chunk: Buffer) => socket.write(`late: ${chunk.toString()};`));
        });
      },
      { containerConcurrency: 1 },
    );
    const first = new RawClient(port).write(handshake);
    await first.waitFor("early: ;");
    const second = new RawClient(port).write(`${handshake}one`);
    await ask(port, { headers: { "user-agent": "kube-probe/1", "k-network-probe": "queue" } });
    expect(sockets).toHaveLength(1);
    first.socket.end();
    sockets[0]?.end();
    await second.waitFor("early: one;");
    second.write("two");
    await second.waitFor("late: two;");
  });

  test("one that the app refuses is counted with the app's status; one that it drops is a 502", async () => {
    const { port, metrics } = await startUpgradeApp((socket, head) => {
      if (head.length > 0) socket.destroy();
      else socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    });
    expect(await new RawClient(port).write(handshake).waitForClose()).toMatch(/^HTTP\/1.1 403 [^]*no$/);
    expect(await new RawClient(port).write(`${handshake}x`).waitForClose()).toMatch(/^HTTP\/1.1 502 /);
    await untilMetric(metrics, `${count}{http_response_status_code="403"}`, 1);
    await untilMetric(metrics, `${count}{http_response_status_code="502"}`, 1);
  });

  test("an app that does not answer is a 504, and may answer later all the same", async () => {
    const clock = new ManualClock();
    const sockets: Duplex[] = [];
    const { port } = await startUpgradeApp((socket) => void sockets.push(socket), {
      requestTimeoutMs: 1000,
      clock,
    });
    const client = new RawClient(port).write(handshake);
    await until(() => sockets.length === 1);
    clock.advance(1000);
    expect(await client.waitForClose()).toMatch(/^HTTP\/1.1 504 [^]*request timeout$/);
    sockets[0]?.write(agreement);
    sockets[0]?.end("late");
    sockets[0]?.destroy();
  });

  test("a client that leaves before the app has answered is 499", async () => {
    const sockets: Duplex[] = [];
    const { port, metrics } = await startUpgradeApp((socket) => void sockets.push(socket));
    const client = new RawClient(port).write(handshake);
    await until(() => sockets.length === 1);
    // Nobody else reads it here.
    sockets[0]?.resume().on("error", () => undefined);
    client.socket.resetAndDestroy();
    await untilMetric(metrics, `${count}{http_response_status_code="499"}`, 1);
    expect(sockets[0]?.destroyed).toBe(true);
  });

  test("those that are no WebSockets are cut when the pod goes", async () => {
    const clock = new ManualClock();
    const { sidecar, ports } = await startInProcess({ hijackDrainMs: 5000, clock });
    expect(ports.stats).toBeGreaterThan(0);
    const server = createServer();
    server.on("upgrade", (_request, socket: Duplex) => void socket.write(agreement));
    sidecar.attach(server);
    const client = new RawClient(await openServer(server)).write(handshake);
    await client.waitFor("101");
    const stopped = sidecar.stop();
    await ask(ports.stats, { path: "/metrics" });
    clock.advance(5000);
    await client.waitForClose();
    await stopped;
  });
});
