import { SluiceError } from "@sluice/core";
import {
  AdminServer,
  answerJson,
  createMetrics,
  createTokenFile,
  findLoopbackFault,
  hasToken,
  isLoopback,
  type AdminServerOptions,
} from "@sluice/kit";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { sendRequest } from "../support/http-request.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { createRecordingLog } from "../support/recording-log.ts";

const servers: AdminServer[] = [];
const { log, messages } = createRecordingLog();

async function start(options: Partial<AdminServerOptions> = {}): Promise<number> {
  const server = new AdminServer({
    address: "127.0.0.1",
    port: 0,
    log,
    metrics: createMetrics(),
    ...options,
  });
  servers.push(server);
  return (await server.listen()).port;
}

/** Sends bytes as they are and returns all that comes back until the server closes. */
async function sendRaw(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.on("data", (bytes: Buffer) => (answer += bytes.toString("latin1")));
  socket.write(text);
  await once(socket, "close");
  return answer;
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

describe("admin server", () => {
  test("serves health, readiness with its reason, and metrics", async () => {
    let unready: string | undefined = "no snapshot yet";
    const port = await start({ findUnready: () => unready });
    expect(await sendRequest(port, "/healthz")).toMatchObject({ status: 200, body: "ok\n" });
    expect(await sendRequest(port, "/readyz")).toMatchObject({ status: 503, body: "no snapshot yet\n" });
    unready = undefined;
    expect(await sendRequest(port, "/readyz")).toMatchObject({ status: 200 });
    const metrics = await sendRequest(port, "/metrics");
    expect(metrics.headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(metrics.body).toContain("process_resident_memory_bytes");
  });

  test("routes: parameters, query, JSON both ways, 404, 405, HEAD", async () => {
    const port = await start({
      routes: [
        {
          method: "GET",
          path: "/v1/scale/:namespace/:name",
          handle: ({ response, parameters, url }) =>
            answerJson(response, 200, { ...parameters, limit: url.searchParams.get("limit") }),
        },
        {
          method: "POST",
          path: "/v1/echo",
          handle: async ({ response, readJson }) => answerJson(response, 201, await readJson(100)),
        },
      ],
    });
    const found = await sendRequest(port, "/v1/scale/default/a%2Fb?limit=3");
    expect(JSON.parse(found.body)).toEqual({ namespace: "default", name: "a/b", limit: "3" });
    expect(await sendRequest(port, "/v1/scale/default")).toMatchObject({ status: 404 });
    expect(await sendRequest(port, "/v1/scale/default/%ff")).toMatchObject({ status: 404 });
    expect(await sendRequest(port, "//evil/healthz")).toMatchObject({ status: 404 });
    const wrongMethod = await sendRequest(port, "/v1/echo");
    expect(wrongMethod).toMatchObject({ status: 405, headers: { allow: "POST" } });
    const head = await sendRequest(port, "/v1/scale/default/a", { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, body: "" });
    const echoed = await sendRequest(port, "/v1/echo", { method: "POST", body: '{"a":1}' });
    expect(echoed).toMatchObject({ status: 201, body: '{"a":1}\n' });
  });

  test("bodies and headers are bounded", async () => {
    const port = await start({
      routes: [
        {
          method: "POST",
          path: "/in",
          handle: async ({ response, readJson }) => answerJson(response, 200, await readJson(10)),
        },
      ],
    });
    const large = await sendRequest(port, "/in", { method: "POST", body: "1".repeat(11) });
    expect(large).toMatchObject({ status: 413, headers: { connection: "close" } });
    const noJson = await sendRequest(port, "/in", { method: "POST", body: "{" });
    expect(noJson).toMatchObject({ status: 400, body: "the body is not JSON\n" });
    const heavy = await sendRequest(port, "/healthz", { headers: { x: "y".repeat(17_000) } });
    expect(heavy.status).toBe(431);
  });

  test("an error becomes its own answer, and internals stay in the log", async () => {
    const port = await start({
      routes: [
        {
          method: "GET",
          path: "/known",
          handle: () => {
            throw new SluiceError("hold-limit");
          },
        },
        { method: "GET", path: "/unknown", handle: () => Promise.reject(new Error("secret of the house")) },
      ],
    });
    expect(await sendRequest(port, "/known")).toMatchObject({
      status: 503,
      body: "too many requests are held\n",
    });
    expect(await sendRequest(port, "/unknown")).toMatchObject({ status: 500, body: "internal error\n" });
    expect(messages("error")).toContain("an admin request failed");
  });

  test("a token is needed on routes that are not open, and compared whole", async () => {
    let token = "s3cret";
    const route = {
      method: "GET",
      handle: ({ response }) => answerJson(response, 200, {}),
    } as const satisfies Partial<NonNullable<AdminServerOptions["routes"]>[number]>;
    const routes: AdminServerOptions["routes"] = [
      { ...route, path: "/closed" },
      { ...route, path: "/open", access: "open" },
    ];
    const port = await start({ token: () => token, routes });
    const statusWith = async (authorization?: string): Promise<number> =>
      (await sendRequest(port, "/closed", { headers: authorization === undefined ? {} : { authorization } }))
        .status;
    expect((await sendRequest(port, "/open")).status).toBe(200);
    expect((await sendRequest(port, "/metrics")).status).toBe(200);
    const refused = await sendRequest(port, "/closed");
    expect(refused).toMatchObject({ status: 401, headers: { "www-authenticate": "Bearer" } });
    for (const wrong of ["Bearer s3cre", "Bearer s3cret1", "Basic s3cret", "s3cret", "Bearer "]) {
      expect(await statusWith(wrong)).toBe(401);
    }
    expect(await statusWith("Bearer s3cret")).toBe(200);
    token = "rotated";
    expect(await statusWith("Bearer s3cret")).toBe(401);
    expect(await statusWith("Bearer rotated")).toBe(200);
    // A token file that was emptied must not open the door.
    token = "";
    expect(await statusWith("Bearer ")).toBe(401);
    expect(hasToken("Bearer ", "")).toBe(false);
  });

  test("on loopback, a foreign Host or any Origin is refused and nothing runs", async () => {
    let calls = 0;
    const routes: AdminServerOptions["routes"] = [
      { method: "POST", path: "/act", handle: ({ response }) => answerJson(response, 200, ++calls) },
    ];
    const port = await start({ routes });
    const post = async (headers: Record<string, string>): Promise<number> =>
      (await sendRequest(port, "/act", { method: "POST", headers })).status;
    for (const host of [
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1",
      "127.0.0.1:1",
      `127.0.0.2:${port}`,
    ]) {
      expect(await post({ host })).toBe(403);
    }
    expect(await post({ origin: "http://evil.example" })).toBe(403);
    expect(await post({ origin: `http://127.0.0.1:${port}` })).toBe(403);
    expect(await post({ origin: "null" })).toBe(403);
    expect(calls).toBe(0);
    expect(await post({})).toBe(200);
    expect(await post({ host: `LOCALHOST:${port}` })).toBe(200);
    const health = await sendRequest(port, "/healthz", { headers: { host: "evil.example" } });
    expect(health).toMatchObject({
      status: 403,
      body: `refused: the Host must be 127.0.0.1:${port} or localhost:${port}\n`,
    });
  });

  test("upgrades pass the guard and the token first, and end when the server closes", async () => {
    const upgraded = Promise.withResolvers<void>();
    const port = await start({
      token: "t",
      onUpgrade: (_request, socket) => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
        upgraded.resolve();
      },
    });
    const upgrade = (lines: string): string =>
      `GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n${lines}\r\n\r\n`;
    expect(await sendRaw(port, upgrade("Host: evil.example"))).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
    expect(await sendRaw(port, upgrade(`Host: localhost:${port}`))).toMatch(
      /^HTTP\/1\.1 401 Unauthorized\r\n/,
    );
    const answer = sendRaw(port, upgrade(`Host: localhost:${port}\r\nAuthorization: Bearer t`));
    await upgraded.promise;
    await servers[0]?.close();
    expect(await answer).toMatch(/^HTTP\/1\.1 101 /);
  });
});

describe("a token file", () => {
  test("is followed when it is replaced, and the last token stays while it cannot be read", () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-token-"));
    const file = join(folder, "token");
    const clock = new ManualClock();
    const read = createTokenFile(file, clock);
    expect(read).toThrow("ENOENT");
    writeFileSync(file, "one\n");
    expect(read()).toBe("one");
    writeFileSync(file, "two\n");
    expect(read()).toBe("one");
    clock.advance(1000);
    expect(read()).toBe("two");
    rmSync(folder, { recursive: true });
    clock.advance(1000);
    expect(read()).toBe("two");
  });

  test("that cannot be read refuses requests and upgrades, and ends nothing", async () => {
    const port = await start({
      token: createTokenFile("/no/such/token"),
      onUpgrade: () => undefined,
      routes: [],
    });
    const headers = `Host: localhost:${port}\r\nAuthorization: Bearer t\r\nConnection: upgrade\r\nUpgrade: websocket`;
    expect(await sendRaw(port, `GET / HTTP/1.1\r\n${headers}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 500 /);
    expect((await sendRequest(port, "/v1/scale")).status).toBe(500);
    expect((await sendRequest(port, "/healthz")).status).toBe(200);
  });
});

describe("loopback guard", () => {
  test.each([
    ["127.0.0.1", true],
    ["127.8.9.1", true],
    ["::1", true],
    ["::ffff:127.0.0.1", true],
    ["0.0.0.0", false],
    ["10.0.0.127", false],
    ["::", false],
  ])("%s is loopback: %s", (address, isOne) => expect(isLoopback(address)).toBe(isOne));

  test("IPv6 addresses stand in brackets, and port 80 may be left away", () => {
    expect(findLoopbackFault({ host: "[::1]:8003" }, "::1", 8003)).toBeUndefined();
    expect(findLoopbackFault({ host: "::1:8003" }, "::1", 8003)).toContain("[::1]:8003");
    expect(findLoopbackFault({ host: "localhost" }, "127.0.0.1", 80)).toBeUndefined();
    expect(findLoopbackFault({}, "127.0.0.1", 80)).toContain("the Host must be");
  });
});
