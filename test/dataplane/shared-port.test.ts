import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { systemClock } from "@sluice/core";
import { shareWithHttp2 } from "@sluice/dataplane";
import { expect, onTestFinished, test } from "vitest";

/** A port that says which protocol it took a connection for. */
async function startPort(): Promise<{ port: number; taken: Promise<string>; accepted: Promise<Socket> }> {
  const server = createServer((_request, response) => void response.end("HTTP/1.1"));
  const taken = Promise.withResolvers<string>();
  const accepted = Promise.withResolvers<Socket>();
  server.on("request", () => taken.resolve("HTTP/1.1"));
  shareWithHttp2(
    server,
    {
      accept(socket) {
        taken.resolve("HTTP/2");
        socket.destroy();
      },
    },
    60_000,
    systemClock,
  );
  server.on("connection", (socket: Socket) => accepted.resolve(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    port: (server.address() as AddressInfo).port,
    taken: taken.promise,
    accepted: accepted.promise,
  };
}

test.each([
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"],
  ["PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1"],
  ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1"],
])("%j, byte by byte, is %s", async (bytes, expected) => {
  const { port, taken } = await startPort();
  const socket = connect({ port, host: "127.0.0.1", noDelay: true }).on("error", () => undefined);
  for (const byte of bytes) {
    socket.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await taken).toBe(expected);
  socket.destroy();
});

test.each([
  ["nothing", ""],
  ["half a preface", "PRI * HT"],
])("a client that says %s and closes is forgotten at once", async (_what, bytes) => {
  const { port, accepted } = await startPort();
  connect(port, "127.0.0.1")
    .on("error", () => undefined)
    .resume()
    .end(bytes);
  const socket = await accepted;
  if (!socket.closed) await once(socket, "close");
  expect(socket.destroyed).toBe(true);
});
