import { connect as connectHttp2 } from "node:http2";
import { createServer, type AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { askStream, connectHttp2 as connectToHttp2, startHttp2App } from "../support/http2-harness.ts";
import { ask, RawClient, startTestSidecar } from "../support/sidecar-harness.ts";

const good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** An app that answers each request with these bytes, and a sidecar in front of it. */
async function setStage(bytes: string): Promise<{ main: number; answer: (bytes: string) => void }> {
  let reply = bytes;
  const app = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", () => socket.write(reply, "latin1"));
    onTestFinished(() => void socket.destroy());
  });
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void app.close());
  const sidecar = await startTestSidecar((app.address() as AddressInfo).port, { CONTAINER_CONCURRENCY: "1" });
  return { main: sidecar.ports.main, answer: (next) => void (reply = next) };
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const post = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc";
const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

describe("an app whose answer is hostile or broken", () => {
  test.each<[string, string, string, RegExp]>([
    ["a reason in UTF-8", get, "HTTP/1.1 200 \xc3\x9cbung\r\nContent-Length: 2\r\n\r\nok", / 200 [^]*ok$/],
    ["a reason in Latin-1", get, "HTTP/1.1 200 \xdcbung\r\nContent-Length: 2\r\n\r\nok", / 200 [^]*ok$/],
    [
      "a control character in the reason",
      get,
      "HTTP/1.1 200 a\x01\r\nContent-Length: 2\r\n\r\nok",
      / (200|502) /,
    ],
    ["the same, thoroughly", post, "HTTP/1.1 200 a\x01\r\nContent-Length: 2\r\n\r\nok", / (200|502) /],
    [
      "another protocol that nobody asked for",
      post,
      "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
      / 502 /,
    ],
    [
      "a control character in a value",
      get,
      "HTTP/1.1 200 x\r\nX-A: a\x01\r\nContent-Length: 2\r\n\r\nok",
      / 502 /,
    ],
    ["two lengths", get, "HTTP/1.1 200 x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokx", / 502 /],
    ["no HTTP", get, "hello\r\n\r\n", / 502 /],
    ["status 099", get, "HTTP/1.1 099 x\r\nContent-Length: 2\r\n\r\nok", / 502 /],
    [
      "names of JavaScript's own",
      get,
      `HTTP/1.1 200 x\r\nconstructor: a\r\n__proto__: b\r\nContent-Length: 2\r\n\r\nok`,
      / 200 /,
    ],
    [
      "trailers announced beside a length, to an upgrade",
      upgrade,
      "HTTP/1.1 200 x\r\nTrailer: X-T\r\nContent-Length: 2\r\n\r\nok",
      / 200 (?![^]*trailer)[^]*ok$/i,
    ],
    ["status 099, to an upgrade", upgrade, "HTTP/1.1 099 x\r\nContent-Length: 2\r\n\r\nok", / 502 /],
    [
      "trailers for a client of HTTP/1.0, which has none",
      "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
      "HTTP/1.1 200 x\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: y\r\n\r\n",
      / 200 (?![^]*x-t)[^]*ok$/i,
    ],
  ])("%s: the client gets an answer, and the slot is free again", async (_what, request, bytes, expected) => {
    const { main, answer } = await setStage(bytes);
    const client = new RawClient(main).write(request);
    expect(await client.waitFor(/HTTP\/1.1 [2-9][^]*\r\n\r\n[^]+/)).toMatch(expected);
    answer(good);
    expect(await ask(main)).toMatchObject({ status: 200, body: "ok" });
  });

  test.each<[string, string]>([
    ["the fast way", get],
    ["the thorough way", post],
  ])("early hints lose what is not for the client, %s", async (_what, request) => {
    const hints = "HTTP/1.1 103 x\r\nLink: </a>\r\nSluice-Refused: closing\r\nKeep-Alive: x\r\nTE: x\r\n\r\n";
    const { main } = await setStage(hints + good);
    const seen = await new RawClient(main).write(request).waitFor("ok");
    expect(seen).toMatch(/103 [^]*link: <\/a>[^]* 200 /i);
    expect(seen).not.toMatch(/^(sluice-refused|keep-alive|te):/im);
  });

  test("interim answers without end are no answer, over HTTP/1.1", async () => {
    const { main, answer } = await setStage(
      `HTTP/1.1 103 x\r\nLink: ${"x".repeat(1000)}\r\n\r\n`.repeat(2000),
    );
    const client = new RawClient(main).write(get);
    expect(await client.waitFor(/ 502 [^]*\r\n\r\n[^]/)).toMatch(/^HTTP\/1.1 103 /);
    expect(client.received.length).toBeLessThan(1_200_000);
    answer(good);
    expect(await ask(main)).toMatchObject({ status: 200, body: "ok" });
  });

  test("interim answers without end are no answer, over HTTP/2", async () => {
    const app = await startHttp2App((stream) => {
      const link = "x".repeat(1000);
      for (let hints = 0; hints < 2000; hints++) stream.additionalHeaders({ ":status": 103, link });
    });
    const { ports } = await startTestSidecar(app.port, { CONTAINER_CONCURRENCY: "1" });
    const session = connectToHttp2(ports.main);
    expect((await askStream(session)).status).toBe(502);
    expect((await askStream(session)).status).toBe(502);
  });

  test("a new protocol's head says nothing about lengths, and nothing that only our own processes say", async () => {
    const head = "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n";
    const { main } = await setStage(`${head}Content-Length: 5\r\nSluice-Refused: closing\r\n\r\nhello`);
    const seen = await new RawClient(main).write(upgrade).waitFor("hello");
    expect(seen).toMatch(/^HTTP\/1.1 101 [^]*upgrade: websocket[^]*sec-websocket-accept: y\r\n\r\nhello/i);
    expect(seen).not.toMatch(/content-length|sluice-refused/i);
  });

  test("a client of HTTP/2 loses its stream to what HTTP/2 forbids, and the sidecar goes on", async () => {
    const { main, answer } = await setStage(good);
    const session = connectHttp2(`http://127.0.0.1:${main}`);
    session.on("error", () => undefined);
    onTestFinished(() => session.destroy());
    const stream = session.request({ ":path": "/" });
    stream.on("error", () => undefined).resume();
    // The app speaks no HTTP/2 at all: what it says is garbage to the session towards it.
    await new Promise((resolve) => stream.on("close", resolve));
    answer(good);
    expect((await ask(main)).status).toBe(200);
  });
});
