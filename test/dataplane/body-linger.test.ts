import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createHttp1Server } from "@sluice/dataplane";
import { ManualClock } from "../support/manual-clock.ts";

/** A server that answers each request before it has read the body. */
async function startHasty(allowHalfOpen = false) {
  const clock = new ManualClock();
  const server = createHttp1Server(
    {
      handleRequest: (request, response) => {
        if (request.url !== "/never") response.end("enough");
      },
      handleUpgrade: (_request, socket) => void socket.destroy(),
    },
    { clock, headerTimeoutMs: 60_000, keepAliveTimeoutMs: 60_000, maxHeaderBytes: 16_384 },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen });
  socket.on("error", () => undefined);
  onTestFinished(() => {
    socket.destroy();
    server.close();
    server.closeAllConnections();
  });
  return { clock, server, socket };
}

async function nextAnswer(socket: Socket): Promise<string> {
  const [data] = (await once(socket, "data")) as [Buffer];
  return data.toString();
}

test("a client that goes on with a body whose answer is complete loses its connection after a while", async () => {
  const { clock, socket } = await startHasty();
  socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc");
  expect(await nextAnswer(socket)).toMatch(/^HTTP\/1\.1 200 [^]*enough$/);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  clock.advance(29_000);
  socket.write("more");
  expect(socket.destroyed).toBe(false);
  clock.advance(1000);
  await closed;
});

test("one that ends it in time keeps the connection", async () => {
  const { clock, socket } = await startHasty();
  socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc");
  await nextAnswer(socket);
  socket.write("defGET / HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await nextAnswer(socket)).toMatch(/^HTTP\/1\.1 200 /);
  clock.advance(60_000);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await nextAnswer(socket)).toMatch(/^HTTP\/1\.1 200 /);
});

test.each([
  ["CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\nhello"],
  ["what is no chunk", "POST /never HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nhello"],
])(
  "a client that was refused %s and keeps its side open loses its connection after a while",
  async (_what, bytes) => {
    const { clock, server, socket } = await startHasty(true);
    socket.write(bytes);
    await once(socket.resume(), "end");
    const connections = (): Promise<number> =>
      new Promise((resolve) => void server.getConnections((_error, count) => resolve(count)));
    clock.advance(29_000);
    expect(await connections()).toBe(1);
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await connections()).toBe(0);
    expect(socket.writableEnded).toBe(false);
  },
);
