import {
  AdminServer,
  createMetrics,
  WatchClient,
  WatchHub,
  type AdminServerOptions,
  type WatchClientOptions,
} from "@sluice/kit";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, createServer as createTcpServer, type AddressInfo } from "node:net";
import * as v from "valibot";
import { afterEach, describe, expect, test } from "vitest";
import { Inbox } from "../support/inbox.ts";
import { createRecordingLog } from "../support/recording-log.ts";

const itemSchema = v.object({ n: v.number() });
type Item = v.InferOutput<typeof itemSchema>;

const cleanups: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A reader whose every call is an event in one inbox, and what it logs. */
function read(port: number, options: Partial<WatchClientOptions<Item>> = {}) {
  const events = new Inbox<string>();
  const recorded = createRecordingLog();
  const reader = new WatchClient<Item>({
    url: `http://127.0.0.1:${port}/v1/feed`,
    schema: itemSchema,
    log: recorded.log,
    // Retries in tests come at once.
    backoff: { firstMs: 1, capMs: 5 },
    onSnapshot: (objects) => events.push(`snapshot ${JSON.stringify([...objects])}`),
    onPut: (key, object, previous) => events.push(`put ${key} ${previous?.n ?? "new"} -> ${object.n}`),
    onDelete: (key, previous) => events.push(`delete ${key} ${previous?.n}`),
    onConnected: () => events.push("connected"),
    onDisconnected: () => events.push("disconnected"),
    ...options,
  });
  cleanups.push(() => reader.close());
  return { reader, events, ...recorded };
}

async function takeEvents(events: Inbox<string>, count: number): Promise<string[]> {
  const taken: string[] = [];
  for (let i = 0; i < count; i++) taken.push(await events.next());
  return taken;
}

async function serveHub(
  hub: WatchHub<Item>,
  port = 0,
  options: Partial<AdminServerOptions> = {},
): Promise<{ server: AdminServer; port: number }> {
  const { log } = createRecordingLog();
  const server = new AdminServer({
    address: "127.0.0.1",
    port,
    log,
    metrics: createMetrics(),
    routes: hub.toRoutes("/v1/feed"),
    ...options,
  });
  cleanups.push(() => server.close());
  return { server, port: (await server.listen()).port };
}

function createHub(epoch: string, items: Readonly<Record<string, number>> = {}): WatchHub<Item> {
  const hub = new WatchHub<Item>({ epoch, heartbeatMs: 50 });
  for (const [key, n] of Object.entries(items)) hub.set(key, { n });
  hub.markListed();
  cleanups.push(() => hub.close());
  return hub;
}

/** A server that answers the n-th request as the script says, and the last script for all later ones. */
async function serveScript(
  ...scripts: ((response: ServerResponse) => void)[]
): Promise<{ port: number; requests: Inbox<IncomingMessage> }> {
  const requests = new Inbox<IncomingMessage>();
  let count = 0;
  const server = createServer((request, response) => {
    requests.push(request);
    scripts[Math.min(count++, scripts.length - 1)]?.(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return { port: (server.address() as AddressInfo).port, requests };
}

function lines(...texts: string[]): (response: ServerResponse) => void {
  return (response) => void response.writeHead(200).write(texts.map((text) => `${text}\n`).join(""));
}

const goodSnapshot = [
  '{"type":"snapshot-begin","version":"e.1"}',
  '{"type":"put","version":"e.1","key":"a","object":{"n":1}}',
  '{"type":"snapshot-end","version":"e.1"}',
];

describe("watch client", () => {
  test("gets the snapshot whole, then each change as it comes", async () => {
    const hub = createHub("e", { a: 1, b: 2 });
    const { port } = await serveHub(hub);
    const { reader, events } = read(port);
    await reader.ready;
    expect(reader.isConnected).toBe(true);
    hub.set("a", { n: 3 });
    hub.set("c", { n: 4 });
    hub.delete("b");
    expect(await takeEvents(events, 5)).toEqual([
      'snapshot [["a",{"n":1}],["b",{"n":2}]]',
      "connected",
      "put a 1 -> 3",
      "put c new -> 4",
      "delete b 2",
    ]);
    expect([reader.version, [...reader.objects.keys()]]).toEqual(["e.5", ["a", "c"]]);
  });

  test("after a lost connection it goes on where it was, without a snapshot", async () => {
    const hub = createHub("e", { a: 1 });
    const { server, port } = await serveHub(hub);
    const { reader, events, lines: logged } = read(port);
    await reader.ready;
    await server.close();
    hub.set("a", { n: 2 });
    expect(await takeEvents(events, 3)).toEqual(['snapshot [["a",{"n":1}]]', "connected", "disconnected"]);
    expect([...reader.objects.values()]).toEqual([{ n: 1 }]);
    await serveHub(hub, port);
    expect(await takeEvents(events, 2)).toEqual(["put a 1 -> 2", "connected"]);
    expect(logged.filter((line) => line.msg === "the stream is back")).toHaveLength(1);
  });

  test("a restarted server is another epoch: what it does not have is gone", async () => {
    const first = createHub("one", { a: 1, b: 2 });
    const { server, port } = await serveHub(first);
    const { reader, events } = read(port);
    await reader.ready;
    await server.close();
    await serveHub(createHub("two", { b: 3 }), port);
    expect(await events.until((event) => event.startsWith("snapshot") && event.includes("3"))).toBe(
      'snapshot [["b",{"n":3}]]',
    );
    expect(reader.version).toBe("two.1");
  });

  test("a server that does not know everything yet wipes nothing", async () => {
    const { server, port } = await serveHub(createHub("one", { a: 1 }));
    const { reader, events } = read(port);
    await reader.ready;
    await server.close();
    const unlisted = new WatchHub<Item>({ epoch: "two" });
    cleanups.push(() => unlisted.close());
    await serveHub(unlisted, port);
    await events.until((event) => event === "disconnected");
    expect([...reader.objects]).toEqual([["a", { n: 1 }]]);
    unlisted.set("z", { n: 9 });
    unlisted.markListed();
    expect(await events.next()).toBe('snapshot [["z",{"n":9}]]');
  });

  test.each([
    ["text that is no JSON", ["garbage"]],
    ["a line of another protocol", ['{"type":"bookmark","version":"e.2"}']],
    ["an object that the schema refuses", ['{"type":"put","version":"e.2","key":"b","object":{"n":"2"}}']],
    ["a gap in the versions", ['{"type":"put","version":"e.3","key":"b","object":{"n":2}}']],
    ["a change of another epoch", ['{"type":"put","version":"f.2","key":"b","object":{"n":2}}']],
    ["a heartbeat that is ahead", ['{"type":"heartbeat","version":"e.2"}']],
    ["a line without end", ["x".repeat(3000)]],
    ["the end of a snapshot that never began", ['{"type":"snapshot-end","version":"e.2"}']],
    [
      "a bad object inside a second snapshot",
      ['{"type":"snapshot-begin","version":"e.2"}', '{"type":"put","version":"e.2","key":"b","object":{}}'],
    ],
  ])("%s: the stream is refused whole, the last good state stays, logged once", async (_case, bad) => {
    const { port, requests } = await serveScript(lines(...goodSnapshot, ...bad));
    const { reader, events, messages } = read(port, { maxLineChars: 2000 });
    const streams = ['snapshot [["a",{"n":1}]]', "connected", "disconnected"];
    expect(await takeEvents(events, 9)).toEqual([...streams, ...streams, ...streams]);
    expect([...reader.objects]).toEqual([["a", { n: 1 }]]);
    expect(messages("warn").filter((text) => text.includes("refused"))).toHaveLength(messages("warn").length);
    // Each start over asks for a snapshot: going on would bring the same line again.
    for (let i = 0; i < 3; i++) expect((await requests.next()).url).toBe("/v1/feed?watch=true");
  });

  test("garbage from the first byte on is logged once, however often it comes", async () => {
    const { port, requests } = await serveScript(lines("garbage"));
    const { reader, messages } = read(port);
    for (let i = 0; i < 5; i++) await requests.next();
    expect(reader.isConnected).toBe(false);
    expect(messages("warn")).toHaveLength(1);
    expect(messages("warn")[0]).toContain("keeping the last good state");
  });

  test("a snapshot that breaks in the middle changes nothing", async () => {
    const { port } = await serveScript(
      lines(...goodSnapshot),
      (response) => {
        response
          .writeHead(200)
          .write('{"type":"snapshot-begin","version":"f.1"}\n', () => response.destroy());
      },
      lines(
        '{"type":"snapshot-begin","version":"f.2"}',
        '{"type":"put","version":"f.2","key":"b","object":{"n":2}}',
        '{"type":"snapshot-end","version":"f.2"}',
      ),
    );
    const { events } = read(port, { silenceMs: 50 });
    expect(await takeEvents(events, 4)).toEqual([
      'snapshot [["a",{"n":1}]]',
      "connected",
      "disconnected",
      'snapshot [["b",{"n":2}]]',
    ]);
  });

  test("a stream that falls silent is broken; heartbeats keep one alive", async () => {
    const { port, requests } = await serveScript(lines(...goodSnapshot));
    const silent = read(port, { silenceMs: 30 });
    expect(await silent.events.until((event) => event === "disconnected")).toBe("disconnected");
    await requests.next();
    expect((await requests.next()).url).toBe("/v1/feed?watch=true&since=e.1");
    expect(silent.messages("warn")[0]).toContain("nothing came for 30 ms");

    const alive = read((await serveHub(createHub("e"))).port, { silenceMs: 200 });
    await alive.reader.ready;
    // Ten silences of the other take longer than this one's limit; the hub beats every 50 ms.
    for (let i = 0; i < 10; i++) await silent.events.until((event) => event === "disconnected");
    expect(alive.reader.isConnected).toBe(true);
  });

  test("sends the token, read anew for each connection; a token that cannot be read is a failure like others", async () => {
    const hub = createHub("e", { a: 1 });
    const { port } = await serveHub(hub, 0, { token: "right" });
    let calls = 0;
    const { reader, messages } = read(port, {
      token: () => {
        calls++;
        if (calls === 1) throw new Error("token file is gone");
        return calls === 2 ? "wrong" : "right";
      },
    });
    await reader.ready;
    expect(calls).toBe(3);
    expect(messages("warn")[0]).toContain("token file is gone");
    expect(messages("warn")[1]).toContain("the server answered 401");
  });

  test("acknowledges what it has applied, newest only, again after a lost connection", async () => {
    const hub = createHub("e", { a: 1 });
    const { port } = await serveHub(hub);
    const { reader } = read(port, { acknowledgeAs: "activator-0" });
    expect(await hub.waitForAcknowledgement("e.1", ["activator-0"], 10_000)).toEqual([]);
    let version = "";
    for (let n = 2; n < 50; n++) version = hub.set("a", { n });
    expect(await hub.waitForAcknowledgement(version, ["activator-0"], 10_000)).toEqual([]);
    expect(reader.version).toBe(version);
  });

  test("acknowledges to the server that it reads, where one address leads to several", async () => {
    const hubs = [createHub("e", { a: 1 }), createHub("f", { a: 1 })];
    const ports: number[] = [];
    for (const hub of hubs) {
      // On loopback a Host of another port would be refused.
      ports.push((await serveHub(hub, 0, { address: "0.0.0.0" })).port);
    }
    // As a Kubernetes Service does: each connection goes to one of them, in turn.
    let next = 0;
    const balancer = createTcpServer((socket) => {
      const upstream = connect(ports[next++ % 2] ?? 0, "127.0.0.1");
      socket.pipe(upstream).pipe(socket);
      socket.on("error", () => upstream.destroy());
      upstream.on("error", () => socket.destroy());
      cleanups.push(() => void socket.destroy());
    });
    balancer.listen(0, "127.0.0.1");
    await once(balancer, "listening");
    cleanups.push(() => void balancer.close());
    read((balancer.address() as AddressInfo).port, { acknowledgeAs: "activator-0" });
    const [first] = hubs;
    if (first === undefined) throw new Error("there are two");
    expect(await first.waitForAcknowledgement("e.1", ["activator-0"], 10_000)).toEqual([]);
    expect(await first.waitForAcknowledgement(first.set("a", { n: 2 }), ["activator-0"], 10_000)).toEqual([]);
    // The second one found the connection that leads there.
    expect(next).toBe(3);
  });

  test("an acknowledgement that failed is sent until it arrives", async () => {
    const acknowledged = new Inbox<number>();
    let failures = 2;
    const server = createServer((request, response) => {
      if (request.method === "GET") lines(...goodSnapshot)(response);
      else if (failures-- > 0) request.destroy();
      else {
        request.resume();
        response.writeHead(204).end();
        acknowledged.push(failures);
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => void server.close());
    cleanups.push(() => server.closeAllConnections());
    read((server.address() as AddressInfo).port, { acknowledgeAs: "me" });
    expect(await acknowledged.next()).toBe(-1);
  });

  test("after close nothing is called and nothing is asked", async () => {
    const hub = createHub("e", { a: 1 });
    const { port } = await serveHub(hub);
    const { reader, events } = read(port);
    await reader.ready;
    await takeEvents(events, 2);
    await reader.close();
    expect(await events.next()).toBe("disconnected");
    const other = read(port);
    await other.reader.ready;
    hub.set("a", { n: 2 });
    await other.events.until((event) => event.startsWith("put"));
    expect([events.size, hub.watcherCount]).toEqual([0, 1]);
  });
});
