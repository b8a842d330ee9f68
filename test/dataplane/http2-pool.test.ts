import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { Http2Pool } from "@sluice/dataplane";
import { expect, onTestFinished, test } from "vitest";
import type { Http2Connection } from "../../packages/dataplane/src/http2/connection.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { flag, frame, setting, type } from "../support/raw-http2.ts";
import { until } from "../support/sidecar-harness.ts";

interface Target {
  readonly port: number;
  readonly sockets: Socket[];
  /** All that came, of all connections. */
  received(): Buffer;
  readonly server: Server;
}

/** Something that takes connections and says no more than `greeting` on each. */
async function startTarget(greeting: Buffer): Promise<Target> {
  const sockets: Socket[] = [];
  const chunks: Buffer[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined).on("data", (chunk: Buffer) => void chunks.push(chunk));
    socket.write(greeting);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    server,
    received: () => Buffer.concat(chunks),
  };
}

const get = { method: "GET", path: "/", authority: "a", headers: [], trailer: undefined };

/** Opens one stream, and writes down how it ends. */
class Caller {
  readonly isHolding = true;
  readonly events: string[] = [];
  connection: Http2Connection | undefined;

  onConnection(connection: Http2Connection): void {
    this.connection = connection;
    connection.request(get, true, this);
  }
  onConnectFailed(error: Error): void {
    this.events.push(`failed: ${error.message}`);
  }
  onHead(): void {}
  onData(): void {}
  onTrailers(): void {}
  onDrain(): void {}
  onReset(code: number): void {
    this.events.push(`reset ${code}`);
  }
}

function createPool(port: number, silenceMs?: number) {
  const clock = new ManualClock();
  const options = {
    connectTimeoutMs: 1000,
    maxHeadBytes: 16_384,
    ...(silenceMs !== undefined && { silenceMs }),
  };
  const pool = new Http2Pool({ address: "127.0.0.1", port }, options, clock);
  onTestFinished(() => pool.destroy());
  return { clock, pool };
}

const settings = frame(type.settings, 0, 0);

test("nothing is asked before the target has said its settings; in vain, the caller hears that nothing was sent", async () => {
  const target = await startTarget(Buffer.alloc(0));
  const { clock, pool } = createPool(target.port);
  const caller = new Caller();
  pool.take(caller);
  await until(() => target.received().length > 0);
  clock.advance(1000);
  await until(() => caller.events.length === 1);
  expect(caller.events).toEqual(["failed: the target did not answer in time"]);
  expect(
    target.received().includes(frame(type.headers, flag.endStream | flag.endHeaders, 1).subarray(3)),
  ).toBe(false);
});

test.each<[string, Buffer]>([
  ["speaks HTTP/1.1", Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")],
  ["talks nonsense", Buffer.alloc(100)],
])("a target that %s fails its callers at once", async (_what, greeting) => {
  const target = await startTarget(greeting);
  const { pool } = createPool(target.port);
  const callers = [new Caller(), new Caller()];
  for (const caller of callers) pool.take(caller);
  await until(() => callers.every(({ events }) => events.length === 1));
  expect(callers[0]?.events[0]).toMatch(/^failed: /);
  expect(target.sockets).toHaveLength(1);
});

test("a target that takes no streams at all is not connected to again and again; callers wait until they leave", async () => {
  const target = await startTarget(frame(type.settings, 0, 0, setting(3, 0)));
  const { pool } = createPool(target.port);
  const caller = new Caller();
  pool.take(caller);
  await until(() => target.received().includes(frame(type.settings, flag.ack, 0)));
  expect([target.sockets.length, caller.connection]).toEqual([1, undefined]);
  pool.leave(caller);
  target.sockets[0]?.write(frame(type.settings, 0, 0, setting(3, 1)));
  const next = new Caller();
  pool.take(next);
  await until(() => next.connection !== undefined);
  expect(caller.connection).toBe(undefined);
});

test("a connection that falls silent while something runs is asked for a sign of life, and ended without one", async () => {
  const target = await startTarget(settings);
  const { clock, pool } = createPool(target.port, 5000);
  const caller = new Caller();
  pool.take(caller);
  await until(() => caller.connection !== undefined);
  clock.advance(5000);
  clock.advance(5000);
  await until(() => target.received().includes("alive?!?"));
  expect(caller.events).toEqual([]);
  target.sockets[0]?.write(frame(type.ping, flag.ack, 0, "alive?!?"));
  const messages = caller.connection?.messageCount ?? 0;
  await until(() => (caller.connection?.messageCount ?? 0) > messages);
  clock.advance(5000);
  expect(caller.events).toEqual([]);
  clock.advance(5000);
  clock.advance(5000);
  expect(caller.events).toEqual(["reset 8"]);
});

test("a connection on which nothing runs may be silent", async () => {
  const target = await startTarget(settings);
  const { clock, pool } = createPool(target.port, 5000);
  const caller = new Caller();
  pool.take(caller);
  await until(() => caller.connection !== undefined);
  target.sockets[0]?.write(frame(type.rstStream, 0, 1, Buffer.alloc(4)));
  await until(() => caller.events.length === 1);
  for (let round = 0; round < 5; round++) clock.advance(5000);
  expect(caller.connection?.isClosed).toBe(false);
});
