import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Harness } from "./support/activator-harness.ts";
import { echo } from "./support/fake-pod.ts";

const host = "hello.default.example.com";

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function open(harness: Harness, { method = "GET", headers = {} }: Asked = {}) {
  const { publicPort: port } = harness.activator;
  return httpRequest({ host: "127.0.0.1", port, agent: false, method, headers: { host, ...headers } });
}

async function answerOf(request: ReturnType<typeof open>): Promise<IncomingMessage> {
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

describe("WebSocket", () => {
  async function withSocketPod(harness: Harness) {
    const pod = await harness.addPod();
    const server = new WebSocketServer({ server: pod.server });
    server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    return { pod, server };
  }

  test("a connection that comes at zero is held, then both sides talk", async () => {
    await using harness = await Harness.start();
    const client = new WebSocket(`ws://127.0.0.1:${harness.activator.publicPort}/chat`, {
      headers: { host },
    });
    await harness.untilHeld(1);
    await withSocketPod(harness);
    await once(client, "open");
    client.send("hello");
    const [data] = (await once(client, "message")) as [Buffer];
    expect(data.toString()).toBe("hello");
    expect(await harness.metric("sluice_activator_inside_requests")).toBe(1);
    client.close(1000);
    await once(client, "close");
    await harness.untilMetric("sluice_activator_inside_requests", (inside) => inside === 0);
  });

  test.each([
    { how: "ends", leave: (socket: Socket) => void socket.end() },
    { how: "resets", leave: (socket: Socket) => void socket.resetAndDestroy() },
  ])("a client that $how its connection while it is held leaves the queue", async ({ leave }) => {
    await using harness = await Harness.start();
    const socket = connect(harness.activator.publicPort, "127.0.0.1");
    socket.on("error", () => socket.destroy());
    const handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n${handshake}\r\nSec-WebSocket-Key: x\r\n\r\n`);
    await harness.untilHeld(1);
    leave(socket);
    await harness.untilHeld(0);
    const series = `sluice_activator_requests_total{namespace="default",revision="hello-00001",code="499"}`;
    expect(await harness.metric(series)).toBe(1);
  });

  test("what a client says before the app has agreed arrives", async () => {
    await using harness = await Harness.start();
    const socket = connect(harness.activator.publicPort, "127.0.0.1");
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwith it`);
    await harness.untilHeld(1);
    socket.write(", behind it");
    const pod = await harness.addPod();
    pod.server.on("upgrade", (_request, peer, head: Buffer) => {
      peer.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
      peer.write(head);
      peer.pipe(peer);
    });
    let text = "";
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.endsWith(", behind it")) break;
    }
    expect(text.split("\r\n\r\n")[1]).toBe("with it, behind it");
  });

  test("a stop tells both sides 1001, so that clients come back elsewhere", async () => {
    await using harness = await Harness.start({ settings: { SLUICE_DRAIN_TIMEOUT: "10s" } });
    const { server } = await withSocketPod(harness);
    const accepted = once(server, "connection") as Promise<[WebSocket]>;
    const client = new WebSocket(`ws://127.0.0.1:${harness.activator.publicPort}/`, { headers: { host } });
    const [socket] = await accepted;
    await once(client, "open");
    const codes = Promise.all([once(client, "close"), once(socket, "close")]);
    expect(await harness.stop()).toEqual([]);
    expect((await codes).map(([code]) => code as number)).toEqual([1001, 1001]);
  });

  test("a client that vanishes ends the connection to the pod", async () => {
    await using harness = await Harness.start();
    const { server } = await withSocketPod(harness);
    const accepted = once(server, "connection") as Promise<[WebSocket]>;
    const client = new WebSocket(`ws://127.0.0.1:${harness.activator.publicPort}/`, { headers: { host } });
    const [socket] = await accepted;
    await once(client, "open");
    client.terminate();
    await once(socket, "close");
    await harness.untilMetric("sluice_activator_inside_requests", (inside) => inside === 0);
    expect(socket.readyState).toBe(WebSocket.CLOSED);
  });
});

test("server-sent events arrive one by one, and the end of the client ends them", async () => {
  await using harness = await Harness.start();
  let send: (text: string) => void = () => undefined;
  const pod = await harness.addPod("a", (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    send = (text) => response.write(`data: ${text}\n\n`);
    send("first");
  });
  const request = open(harness);
  request.end();
  const response = await answerOf(request);
  response.setEncoding("utf8");
  expect((await once(response, "data"))[0]).toBe("data: first\n\n");
  send("second");
  expect((await once(response, "data"))[0]).toBe("data: second\n\n");
  response.on("error", () => undefined);
  request.destroy();
  while (pod.running > 0) await new Promise((resolve) => setImmediate(resolve));
});

test("interim answers and trailers of the app reach the client", async () => {
  await using harness = await Harness.start();
  await harness.addPod("a", (_request, response) => {
    response.writeEarlyHints({ link: "</style.css>; rel=preload" });
    response.writeHead(200, { trailer: "X-Sum" });
    response.write("body");
    response.addTrailers({ "X-Sum": "42" });
    response.end();
  });
  const request = open(harness);
  const hint = once(request, "information") as Promise<
    [{ statusCode: number; headers: Record<string, string> }]
  >;
  request.end();
  const response = await answerOf(request);
  const [{ statusCode, headers }] = await hint;
  expect([statusCode, headers["link"]]).toEqual([103, "</style.css>; rel=preload"]);
  response.resume();
  await once(response, "end");
  expect([response.statusCode, response.trailers["x-sum"]]).toEqual([200, "42"]);
});

test("trailers of the client reach the app", async () => {
  await using harness = await Harness.start();
  await harness.addPod("a", echo);
  const request = open(harness, {
    method: "POST",
    headers: { trailer: "X-Sum", "transfer-encoding": "chunked" },
  });
  request.write("body");
  request.addTrailers({ "X-Sum": "42" });
  request.end();
  const response = await answerOf(request);
  let text = "";
  for await (const chunk of response) text += String(chunk);
  expect(JSON.parse(text)).toMatchObject({ body: "body", rawTrailers: ["X-Sum", "42"] });
});

test("a body waits for the pod's word when the client expects 100-continue, also at zero", async () => {
  await using harness = await Harness.start();
  const request = open(harness, {
    method: "PUT",
    headers: { expect: "100-continue", "content-length": "4" },
  });
  const state = { isContinued: false };
  request.on("continue", () => {
    state.isContinued = true;
    request.end("body");
  });
  request.flushHeaders();
  await harness.untilHeld(1);
  expect(state.isContinued).toBe(false);
  await harness.addPod("a", echo);
  const response = await answerOf(request);
  let text = "";
  for await (const chunk of response) text += String(chunk);
  expect(JSON.parse(text)).toMatchObject({ body: "body", method: "PUT" });
  expect(state.isContinued).toBe(true);
});

test("a large body goes through both ways unchanged and unbuffered", async () => {
  await using harness = await Harness.start();
  await harness.addPod("a", (request, response) => request.pipe(response));
  const body = Buffer.alloc(3_000_000, "0123456789abcdef");
  const reply = await harness.call({ method: "POST", body });
  expect(reply.status).toBe(200);
  expect(reply.body).toBe(body.toString());
});

test.each([
  {
    name: "two lengths",
    head: "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
  },
  {
    name: "a length and chunks",
    head: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  },
  { name: "no host", head: "GET / HTTP/1.1\r\n\r\n" },
])("a request with $name is refused before it can be read in two ways", async ({ head }) => {
  await using harness = await Harness.start();
  const { connect } = await import("node:net");
  const socket = connect(harness.activator.publicPort, "127.0.0.1");
  socket.write(head);
  const [data] = (await once(socket, "data")) as [Buffer];
  expect(data.toString()).toMatch(/^HTTP\/1\.1 400 /);
  socket.destroy();
});
