import { connect as connectTcp } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  ask,
  RawClient,
  startApp,
  startTestSidecar,
  until,
  type TestApp,
} from "../support/sidecar-harness.ts";
import { usedBytes } from "../support/used-bytes.ts";

interface Stage {
  readonly app: TestApp;
  readonly main: number;
}

async function setStage(overrides: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const app = await startApp((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => undefined);
    request.on("end", () => response.end(`app got ${Buffer.concat(chunks).toString("latin1")}`));
  });
  return { app, main: (await startTestSidecar(app.port, overrides)).ports.main };
}

/** The next good request, on a connection of its own, is answered: the attack hurt nobody else. */
async function expectStillServing({ main, app }: Stage, reachedBefore: number): Promise<void> {
  expect(await ask(main, { path: "/good" })).toMatchObject({ status: 200, body: "app got " });
  expect(app.requests).toHaveLength(reachedBefore + 1);
  expect(app.requests.at(-1)?.url).toBe("/good");
}

const host = "Host: a\r\n";

describe("requests that are none, or that two servers could read differently", () => {
  test.each<[string, string, RegExp]>([
    [
      "both framings",
      `POST / HTTP/1.1\r\n${host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 400/,
    ],
    [
      "both framings, the other way round",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 400/,
    ],
    [
      "two lengths that differ",
      `POST / HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
      /^HTTP\/1.1 400/,
    ],
    [
      "two lengths that are equal",
      `POST / HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
      /^HTTP\/1.1 400/,
    ],
    ["a list of lengths", `POST / HTTP/1.1\r\n${host}Content-Length: 3, 3\r\n\r\nabc`, /^HTTP\/1.1 400/],
    ["a signed length", `POST / HTTP/1.1\r\n${host}Content-Length: +3\r\n\r\nabc`, /^HTTP\/1.1 400/],
    ["a hexadecimal length", `POST / HTTP/1.1\r\n${host}Content-Length: 0x3\r\n\r\nabc`, /^HTTP\/1.1 400/],
    [
      "a length beyond any number",
      `POST / HTTP/1.1\r\n${host}Content-Length: 99999999999999999999999\r\n\r\nabc`,
      /^HTTP\/1.1 400/,
    ],
    [
      "chunked that is not last",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 (400|501)/,
    ],
    [
      "a coding before chunked",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 501/,
    ],
    [
      "chunked twice",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 (400|501)/,
    ],
    [
      "chunked, misspelt",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 (400|501)/,
    ],
    [
      "chunked behind a vertical tab",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 (400|501)/,
    ],
    ["identity", `POST / HTTP/1.1\r\n${host}Transfer-Encoding: identity\r\n\r\nabc`, /^HTTP\/1.1 (400|501)/],
    [
      "a blank before the colon",
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 400/,
    ],
    ["a folded header", `GET / HTTP/1.1\r\n${host}X-A: b\r\n c\r\n\r\n`, /^HTTP\/1.1 400/],
    ["a folded first header", `GET / HTTP/1.1\r\n ${host}\r\n`, /^HTTP\/1.1 400/],
    ["bare line feeds", "GET / HTTP/1.1\nHost: a\n\n", /^HTTP\/1.1 400/],
    ["one bare line feed", `GET / HTTP/1.1\r\n${host}X-A: b\nX-B: c\r\n\r\n`, /^HTTP\/1.1 400/],
    ["bare carriage returns", `GET / HTTP/1.1\r\n${host}X-A: b\rX-B: c\r\n\r\n`, /^HTTP\/1.1 400/],
    ["a null in a value", `GET / HTTP/1.1\r\n${host}X-A: b\0c\r\n\r\n`, /^HTTP\/1.1 400/],
    ["a control character in a value", `GET / HTTP/1.1\r\n${host}X-A: b\x01c\r\n\r\n`, /^HTTP\/1.1 400/],
    ["a name with a blank", `GET / HTTP/1.1\r\n${host}X A: b\r\n\r\n`, /^HTTP\/1.1 400/],
    ["a name with brackets", `GET / HTTP/1.1\r\n${host}X[A]: b\r\n\r\n`, /^HTTP\/1.1 400/],
    ["an empty name", `GET / HTTP/1.1\r\n${host}: b\r\n\r\n`, /^HTTP\/1.1 400/],
    ["no colon", `GET / HTTP/1.1\r\n${host}X-A\r\n\r\n`, /^HTTP\/1.1 400/],
    ["no Host", "GET / HTTP/1.1\r\n\r\n", /^HTTP\/1.1 400[^]*\r\nContent-Length: \d/],
    ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", /^HTTP\/1.1 400/],
    ["a Host with user information", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", /^HTTP\/1.1 400/],
    ["a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", /^HTTP\/1.1 400/],
    ["an absolute target with user information", `GET http://u@b/ HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1.1 400/],
    ["an absolute target of another scheme", `GET ftp://b/ HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1.1 400/],
    ["a target that is an authority", `GET b:80 HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1.1 400/],
    ["a target with a blank", `GET /a b HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1.1 400/],
    ["a target with a tab", `GET /a\tb HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1.1 400/],
    ["an unknown method", `G@T / HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1.1 400/],
    ["a method in lower case", `get / HTTP/1.1\r\n${host}\r\n`, /^HTTP\/1.1 400/],
    ["an unknown version", `GET / HTTP/1.2\r\n${host}\r\n`, /^HTTP\/1.1 (400|505)/],
    ["HTTP/0.9", "GET /\r\n\r\n", /^HTTP\/1.1 505/],
    ["HTTP/2 in HTTP/1's clothes", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", /^HTTP\/1.1 505/],
    ["a fragment in the target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", /^HTTP\/1.1 400/],
    ["another expectation than 100", "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", /^HTTP\/1.1 417/],
    [
      "an original host that is none",
      "GET / HTTP/1.1\r\nHost: a\r\nK-Original-Host: b c\r\n\r\n",
      /^HTTP\/1.1 400/,
    ],
    [
      "chunked over HTTP/1.0",
      `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 400/,
    ],
    [
      "CONNECT",
      "CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n",
      /^HTTP\/1.1 502 [^]*client sent unsupported CONNECT request\n/,
    ],
    ["garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", /^HTTP\/1.1 400/],
    ["a foreign preface", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", /^HTTP\/1.1 400/],
  ])("%s", async (_what, bytes, expected) => {
    const stage = await setStage();
    const client = new RawClient(stage.main).write(bytes);
    expect(await client.waitFor(/\r\n\r\n/)).toMatch(expected);
    expect(stage.app.requests).toHaveLength(0);
    await expectStillServing(stage, 0);
  });

  test.each<[string, string]>([
    ["a chunk size that is no number", "zz\r\nabc\r\n0\r\n\r\n"],
    ["a signed chunk size", "-3\r\nabc\r\n0\r\n\r\n"],
    ["a chunk size with a prefix", "0x3\r\nabc\r\n0\r\n\r\n"],
    ["a chunk longer than its size", "3\r\nabcd\r\n0\r\n\r\n"],
    ["a chunk that ends in a bare line feed", "3\r\nabc\n0\r\n\r\n"],
    ["a chunk size that ends in a bare line feed", "3\nabc\r\n0\r\n\r\n"],
    ["a chunk size beyond any number", "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n"],
    ["chunk extensions without end", `3;${"x".repeat(100_000)}\r\nabc\r\n0\r\n\r\n`],
  ])("a body with %s never arrives whole, and nothing behind it is a request", async (_what, body) => {
    const stage = await setStage();
    const smuggled = `GET /smuggled HTTP/1.1\r\n${host}\r\n`;
    const client = new RawClient(stage.main).write(
      `POST /bad HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${body}${smuggled}`,
    );
    expect(await client.waitForClose()).not.toMatch(/^HTTP\/1.1 200/);
    expect(stage.app.requests.map((request) => request.url)).not.toContain("/smuggled");
    expect(stage.app.requests.filter((request) => request.complete)).toEqual([]);
    await expectStillServing(stage, stage.app.requests.length);
  });

  test("what follows a whole body is the next request, and no part of it leaks into the one before", async () => {
    const stage = await setStage();
    const client = new RawClient(stage.main).write(
      `POST /one HTTP/1.1\r\n${host}Content-Length: 3\r\n\r\nabcGET /two HTTP/1.1\r\n${host}\r\n`,
    );
    await until(() => stage.app.requests.length === 2);
    await client.waitFor(/app got abc[^]*app got /);
    expect(stage.app.requests.map((request) => request.url)).toEqual(["/one", "/two"]);
  });

  test("an absolute target is sent on as a path, with its own authority", async () => {
    const stage = await setStage();
    await new RawClient(stage.main)
      .write(`GET http://b.example/x?y HTTP/1.1\r\n${host}\r\n`)
      .waitFor("app got");
    expect(stage.app.requests[0]).toMatchObject({ url: "/x?y", headers: { host: "b.example" } });
  });
});

describe("requests behind one that is not answered yet", () => {
  const slow = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";

  async function setSlowStage() {
    let answer = (): void => undefined;
    const app = await startApp((received, response) => {
      if (received.url === "/slow") answer = () => void response.end("slow");
      else response.end(`<${received.url ?? ""}>`);
    });
    const { ports } = await startTestSidecar(app.port, { CONTAINER_CONCURRENCY: "1" });
    const client = new RawClient(ports.main).write(slow);
    await until(() => app.requests.length === 1);
    return { main: ports.main, client, app, answer: () => answer() };
  }

  test("an upgrade is an ordinary request, in its turn", async () => {
    const { main, client, app, answer } = await setSlowStage();
    client.write("GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    await ask(main, { headers: { "user-agent": "kube-probe/1" } });
    answer();
    expect(await client.waitFor("</up>")).toMatch(/^HTTP\/1.1 200 [^]*slowHTTP\/1.1 200 /);
    expect(app.requests[1]?.headers.upgrade).toBeUndefined();
  });

  test("CONNECT ends the connection", async () => {
    const { main, client } = await setSlowStage();
    client.write("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await client.waitForClose()).toBe("");
    expect((await ask(main)).status).toBe(200);
  });

  test("thousands are answered in their order, and are not all taken in before", async () => {
    const { main, client, answer } = await setSlowStage();
    const before = usedBytes();
    const paths = Array.from({ length: 50_000 }, (_, index) => `/${index}`);
    client.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(""));
    // The sidecar reads on meanwhile, if it does.
    for (let turn = 0; turn < 100; turn++) await ask(main, { headers: { "user-agent": "kube-probe/1" } });
    expect(usedBytes() - before).toBeLessThan(20 * 1024 * 1024);
    answer();
    const seen = (await client.waitFor("</2999>")).match(/<[^>]*>/g) ?? [];
    expect(seen.slice(0, 3000)).toEqual(paths.slice(0, 3000).map((path) => `<${path}>`));
  });
});

describe("requests that are too much or too slow", () => {
  test.each<[string, string]>([
    ["one long header", `X-Long: ${"x".repeat(20_000)}\r\n`],
    ["many headers", "X-Many: 1\r\n".repeat(2000)],
  ])("%s is 431", async (_what, headers) => {
    const stage = await setStage({ SLUICE_MAX_HEADER_BYTES: "16384" });
    const client = new RawClient(stage.main).write(`GET / HTTP/1.1\r\n${host}${headers}\r\n`);
    expect(await client.waitFor("\r\n\r\n")).toMatch(/^HTTP\/1.1 431 Request Header Fields Too Large/);
    await expectStillServing(stage, 0);
  });

  test("a long target is 431", async () => {
    const stage = await setStage({ SLUICE_MAX_HEADER_BYTES: "16384" });
    const client = new RawClient(stage.main).write(`GET /${"x".repeat(20_000)} HTTP/1.1\r\n${host}\r\n`);
    expect(await client.waitFor("\r\n\r\n")).toMatch(/^HTTP\/1.1 431 /);
    await expectStillServing(stage, 0);
  });

  test("a head that does not come to an end is 408", async () => {
    const stage = await setStage({ SLUICE_HEADER_TIMEOUT: "100ms" });
    const client = new RawClient(stage.main).write("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    expect(await client.waitForClose()).toMatch(/^HTTP\/1.1 408 Request Timeout/);
    await expectStillServing(stage, 0);
  });

  test("a connection that says nothing is closed", async () => {
    const stage = await setStage({ SLUICE_HEADER_TIMEOUT: "100ms" });
    expect(await new RawClient(stage.main).waitForClose()).toBe("");
    await expectStillServing(stage, 0);
  });

  test("a body that does not come to an end is a 504 at the request limit, and its slot is free again", async () => {
    const stage = await setStage({ REVISION_TIMEOUT_SECONDS: "0.2", CONTAINER_CONCURRENCY: "1" });
    const client = new RawClient(stage.main).write(
      `POST / HTTP/1.1\r\n${host}Content-Length: 100\r\n\r\nabc`,
    );
    expect(await client.waitFor("request timeout")).toMatch(/^HTTP\/1.1 504 /);
    await expectStillServing(stage, 1);
  });

  test("a body cut short cancels the app's request, which never sees it as whole", async () => {
    const stage = await setStage();
    const client = new RawClient(stage.main).write(
      `POST / HTTP/1.1\r\n${host}Content-Length: 100\r\n\r\nabc`,
    );
    await until(() => stage.app.requests.length === 1);
    client.socket.destroy();
    await until(() => stage.app.requests[0]?.destroyed === true);
    expect(stage.app.requests[0]?.complete).toBe(false);
    await expectStillServing(stage, 1);
  });

  test("a thousand idle connections leave room for the next good request", async () => {
    const stage = await setStage();
    expect(stage.app.requests).toHaveLength(0);
    const sockets = Array.from({ length: 1000 }, () => connectTcp(stage.main, "127.0.0.1"));
    onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    await expectStillServing(stage, 0);
  });
});
