import { AdminServer, createMetrics, WatchHub, type WatchHubOptions } from "@sluice/kit";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { sendRequest } from "../support/http-request.ts";
import { Inbox } from "../support/inbox.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { createRecordingLog } from "../support/recording-log.ts";

interface Item {
  readonly n: number | string;
}

interface Line {
  readonly type: string;
  readonly version: string;
  readonly key?: string;
  readonly object?: Item;
}

const { log } = createRecordingLog();
const cleanups: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(options: WatchHubOptions = {}): Promise<{ hub: WatchHub<Item>; port: number }> {
  const hub = new WatchHub<Item>({ epoch: "e", ...options });
  const routes = hub.toRoutes("/v1/feed");
  const server = new AdminServer({ address: "127.0.0.1", port: 0, log, metrics: createMetrics(), routes });
  cleanups.push(async () => {
    hub.close();
    await server.close();
  });
  return { hub, port: (await server.listen()).port };
}

interface Stream {
  readonly response: IncomingMessage;
  readonly lines: Inbox<Line>;
  readonly ended: Promise<unknown>;
}

/** A reader that sees the lines as they are on the wire. */
async function watch(port: number, since?: string): Promise<Stream> {
  const path = `/v1/feed?watch=true${since === undefined ? "" : `&since=${since}`}`;
  const sent = request({ host: "127.0.0.1", port, path, agent: false });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  cleanups.push(() => void response.destroy());
  const lines = new Inbox<Line>();
  let rest = "";
  response.on("data", (bytes: Buffer) => {
    const texts = (rest + bytes.toString()).split("\n");
    rest = texts.pop() ?? "";
    for (const text of texts) lines.push(JSON.parse(text) as Line);
  });
  const ended = new Promise((resolve) => {
    response.on("error", resolve);
    response.on("close", resolve);
  });
  return { response, lines, ended };
}

/** The next `count` lines as `type version key`. */
async function take(stream: Stream, count: number): Promise<string[]> {
  const texts: string[] = [];
  for (let i = 0; i < count; i++) {
    const line = await stream.lines.next();
    texts.push([line.type, line.version, line.key].filter((part) => part !== undefined).join(" "));
  }
  return texts;
}

describe("watch hub", () => {
  test("answers 503 with Retry-After until everything was listed once", async () => {
    const { hub, port } = await start();
    hub.set("a", { n: 1 });
    for (const path of ["/v1/feed", "/v1/feed?watch=true", "/v1/feed?watch=true&since=e.0"]) {
      expect(await sendRequest(port, path)).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    }
    hub.markListed();
    expect((await sendRequest(port, "/v1/feed")).status).toBe(200);
  });

  test("a watcher gets the snapshot, then each change at once", async () => {
    const { hub, port } = await start();
    hub.set("a", { n: 1 });
    hub.set("b", { n: 2 });
    hub.markListed();
    const stream = await watch(port);
    expect(stream.response.headers["content-type"]).toBe("application/x-ndjson");
    expect(await take(stream, 5)).toEqual([
      "snapshot-begin e.2",
      "put e.2 a",
      "put e.2 b",
      "snapshot-end e.2",
      "heartbeat e.2",
    ]);
    expect(hub.set("a", { n: 3 })).toBe("e.3");
    hub.delete("b");
    hub.set('quote " key', { n: 4 });
    expect(await stream.lines.next()).toEqual({ type: "put", version: "e.3", key: "a", object: { n: 3 } });
    expect(await take(stream, 2)).toEqual(["delete e.4 b", 'put e.5 quote " key']);
  });

  test("what is no change makes no line", async () => {
    const { hub } = await start();
    hub.set("a", { n: 1 });
    hub.set("a", { n: 1 });
    hub.delete("unknown");
    expect(hub.version).toBe("e.1");
    hub.replaceAll([
      ["a", { n: 1 }],
      ["b", { n: 2 }],
    ]);
    expect(hub.version).toBe("e.2");
    hub.replaceAll([["b", { n: 2 }]]);
    expect([hub.version, hub.size]).toEqual(["e.3", 1]);
  });

  test("nothing is kept of the time before everything was listed, and what comes then is", async () => {
    const { hub, port } = await start();
    for (let n = 1; n <= 3; n++) hub.set("a", { n });
    hub.markListed();
    expect(await take(await watch(port, "e.1"), 2)).toEqual(["snapshot-begin e.3", "put e.3 a"]);
    expect(await take(await watch(port, "e.3"), 1)).toEqual(["heartbeat e.3"]);
    hub.set("a", { n: 4 });
    expect(await take(await watch(port, "e.3"), 2)).toEqual(["put e.4 a", "heartbeat e.4"]);
  });

  test("since continues with what was missed, without a snapshot", async () => {
    const { hub, port } = await start();
    hub.markListed();
    for (let n = 1; n <= 3; n++) hub.set("a", { n });
    expect(await take(await watch(port, "e.1"), 3)).toEqual(["put e.2 a", "put e.3 a", "heartbeat e.3"]);
    expect(await take(await watch(port, "e.3"), 1)).toEqual(["heartbeat e.3"]);
  });

  test.each([
    ["another epoch", "f.3"],
    ["a version that never was", "e.9"],
    ["a gap, because history is bounded", "e.1"],
    ["garbage", "e.1x"],
    ["nothing", ""],
  ])("since with %s gets a snapshot", async (_case, since) => {
    const { hub, port } = await start({ historyLines: 2 });
    hub.markListed();
    for (let n = 1; n <= 4; n++) hub.set(`k${n}`, { n });
    const lines = await take(await watch(port, since), 6);
    expect(lines[0]).toBe("snapshot-begin e.4");
    expect(lines[5]).toBe("snapshot-end e.4");
  });

  test("history is bounded in bytes too", async () => {
    const { hub, port } = await start({ historyBytes: 4000 });
    hub.markListed();
    for (let n = 1; n <= 9; n++) hub.set("a", { n: `${n}${"x".repeat(1000)}` });
    expect(await take(await watch(port, "e.5"), 1)).toEqual(["snapshot-begin e.9"]);
    expect(await take(await watch(port, "e.7"), 2)).toEqual(["put e.8 a", "put e.9 a"]);
  });

  test("a heartbeat comes at its interval, to watchers only", async () => {
    const clock = new ManualClock();
    const { hub, port } = await start({ clock, heartbeatMs: 3000 });
    hub.markListed();
    const stream = await watch(port);
    expect(await take(stream, 3)).toEqual(["snapshot-begin e.0", "snapshot-end e.0", "heartbeat e.0"]);
    clock.advance(3000);
    clock.advance(3000);
    expect(await take(stream, 2)).toEqual(["heartbeat e.0", "heartbeat e.0"]);
  });

  test("the list has every object and an ETag that spares the body", async () => {
    const { hub, port } = await start();
    hub.markListed();
    hub.set("a", { n: 1 });
    const list = await sendRequest(port, "/v1/feed");
    expect(JSON.parse(list.body)).toEqual({ version: "e.1", items: [{ n: 1 }] });
    expect(list.headers.etag).toBe('"e.1"');
    const known = { "if-none-match": 'W/"x", "e.1"' };
    expect(await sendRequest(port, "/v1/feed", { headers: known })).toMatchObject({ status: 304, body: "" });
    hub.delete("a");
    expect((await sendRequest(port, "/v1/feed", { headers: known })).status).toBe(200);
    const head = await sendRequest(port, "/v1/feed?watch=true", { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, headers: { etag: '"e.2"' } });
    expect(hub.watcherCount).toBe(0);
  });

  test("a reader that does not read costs no memory: its stream is ended, the others go on", async () => {
    const { hub, port } = await start({ historyLines: 100 });
    hub.markListed();
    const good = await watch(port);
    const slow = connect(port, "127.0.0.1");
    cleanups.push(() => void slow.destroy());
    slow.write(`GET /v1/feed?watch=true HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`);
    slow.pause();
    await good.lines.until((line) => line.type === "heartbeat");
    const closed = once(slow, "close");
    let n = 0;
    // A long line each turn fills the slow reader's socket; the good one takes every line before the next.
    while (n < 100 || hub.watcherCount > 1) {
      hub.set("a", { n: `${++n} ${"x".repeat(100_000)}` });
      expect((await good.lines.next()).version).toBe(`e.${n}`);
    }
    slow.resume();
    await closed;
    expect(hub.watcherCount).toBe(1);
  });

  test("a slow reader that history still covers gets every line, in order", async () => {
    const { hub, port } = await start({ historyLines: 1000, historyBytes: 1e9 });
    hub.markListed();
    const stream = await watch(port);
    await stream.lines.until((line) => line.type === "heartbeat");
    stream.response.pause();
    for (let n = 1; n <= 200; n++) hub.set("a", { n: `${n} ${"x".repeat(100_000)}` });
    stream.response.resume();
    for (let n = 1; n <= 200; n++) expect((await stream.lines.next()).version).toBe(`e.${n}`);
  });

  test("a reader that takes nothing for too long is ended", async () => {
    const clock = new ManualClock();
    const { hub, port } = await start({ clock, heartbeatMs: 1000, stallMs: 5000, historyBytes: 1e9 });
    hub.markListed();
    const stalled = await watch(port);
    await stalled.lines.until((line) => line.type === "heartbeat");
    stalled.response.pause();
    for (let n = 1; n <= 200; n++) hub.set("a", { n: `${n} ${"x".repeat(100_000)}` });
    clock.advance(4000);
    expect(hub.watcherCount).toBe(1);
    clock.advance(2000);
    stalled.response.resume();
    await stalled.ended;
    expect(hub.watcherCount).toBe(0);
  });

  test("more watchers than the bound get 503", async () => {
    const { hub, port } = await start({ maxWatchers: 1 });
    hub.markListed();
    await watch(port);
    expect(await sendRequest(port, "/v1/feed?watch=true")).toMatchObject({ status: 503 });
  });

  test("10,000 revisions with 10 pods each: every watcher gets all of it, and one change more", async () => {
    const { hub, port } = await start({ historyLines: 10 });
    for (let r = 0; r < 10_000; r++) for (let p = 0; p < 11; p++) hub.set(`pod/${r}/${p}`, { n: p });
    hub.markListed();
    const streams = await Promise.all(Array.from({ length: 5 }, () => watch(port)));
    const ends = await Promise.all(
      streams.map(async ({ lines }) => {
        let puts = 0;
        const end = await lines.until((line) => {
          if (line.type === "put") puts++;
          return line.type === "snapshot-end";
        });
        return `${end.version} after ${puts}`;
      }),
    );
    expect(new Set(ends)).toEqual(new Set(["e.110000 after 110000"]));
    hub.set("pod/1/1", { n: "changed" });
    for (const { lines } of streams) {
      expect((await lines.until((line) => line.type === "put")).version).toBe("e.110001");
    }
  });
});

describe("acknowledgements", () => {
  async function acknowledge(port: number, body: unknown): Promise<number> {
    return (await sendRequest(port, "/v1/feed/ack", { method: "POST", body: JSON.stringify(body) })).status;
  }

  test("a wait ends when every named reader has applied the version", async () => {
    const { hub, port } = await start();
    hub.markListed();
    hub.set("a", { n: 1 });
    const removed = hub.delete("a");
    const waited = hub.waitForAcknowledgement(removed, ["activator-0", "activator-1"], 60_000);
    expect(await acknowledge(port, { name: "activator-0", version: "e.1" })).toBe(204);
    expect(hub.acknowledgedBy("activator-0")).toBe("e.1");
    expect(await acknowledge(port, { name: "activator-0", version: "e.2" })).toBe(204);
    expect(await acknowledge(port, { name: "activator-0", version: "e.1" })).toBe(204);
    expect(hub.acknowledgedBy("activator-0")).toBe("e.2");
    expect(await acknowledge(port, { name: "activator-1", version: "e.2" })).toBe(204);
    expect(await waited).toEqual([]);
    expect(await hub.waitForAcknowledgement(removed, ["activator-0"], 60_000)).toEqual([]);
  });

  test("a wait ends with who is missing when the time is over, when they are gone, and when the hub closes", async () => {
    const clock = new ManualClock();
    const { hub } = await start({ clock });
    const version = hub.set("a", { n: 1 });
    const late = hub.waitForAcknowledgement(version, ["x", "y"], 500);
    clock.advance(500);
    expect(await late).toEqual(["x", "y"]);
    const gone = hub.waitForAcknowledgement(version, ["x"], 500);
    hub.forgetAcknowledger("x");
    expect(await gone).toEqual([]);
    const open = hub.waitForAcknowledgement(version, ["z"], 500);
    hub.close();
    expect(await open).toEqual(["z"]);
  });

  test.each([
    [{ name: "a", version: "f.1" }, 409],
    [{ name: "a", version: "e.2" }, 409],
    [{ name: "", version: "e.1" }, 400],
    [{ version: "e.1" }, 400],
    ["e.1", 400],
  ])("%j is refused with %i", async (body, status) => {
    const { hub, port } = await start();
    hub.set("a", { n: 1 });
    expect(await acknowledge(port, body)).toBe(status);
    expect(hub.acknowledgedBy("a")).toBeUndefined();
  });
});
