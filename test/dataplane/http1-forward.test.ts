import { createHash, randomBytes } from "node:crypto";
import { Agent, request } from "node:http";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { systemClock } from "@sluice/core";
import { UpstreamPool } from "@sluice/dataplane";
import { describe, expect, onTestFinished, test } from "vitest";
import { ask, startApp, startTestSidecar, until } from "../support/sidecar-harness.ts";

/** An app made of connections: `onRequest` hears of each head with its connection's number, counted from 0. */
async function startConnections(
  onRequest: (socket: Socket, connection: number, head: string) => void,
): Promise<{ port: number; heads: string[]; sockets: Socket[] }> {
  const heads: string[] = [];
  const sockets: Socket[] = [];
  const app = createServer((socket) => {
    const connection = sockets.push(socket) - 1;
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk) => {
      heads.push(chunk.toString("latin1"));
      onRequest(socket, connection, chunk.toString("latin1"));
    });
  });
  await new Promise<void>((resolve) => app.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    app.close();
  });
  return { port: (app.address() as AddressInfo).port, heads, sockets };
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

describe("connections to the app", () => {
  test("one is used again and again while requests come one by one", async () => {
    const app = await startConnections((socket) => socket.write(ok));
    const { ports } = await startTestSidecar(app.port);
    for (let count = 0; count < 5; count++) expect((await ask(ports.main)).body).toBe("ok");
    expect([app.heads.length, app.sockets.length]).toEqual([5, 1]);
  });

  test("one that the app closes just as a request is sent: the request goes once more, on a new one", async () => {
    const app = await startConnections((socket, connection) => {
      if (connection === 0 && app.heads.length > 1) socket.destroy();
      else socket.write(ok);
    });
    const { ports } = await startTestSidecar(app.port);
    await ask(ports.main);
    expect((await ask(ports.main)).status).toBe(200);
    expect([app.heads.length, app.sockets.length]).toEqual([3, 2]);
  });

  test("an app that closes each without saying so costs no request its answer", async () => {
    const app = await startConnections((socket) => socket.end(ok));
    const { ports } = await startTestSidecar(app.port);
    const run = async (): Promise<number[]> => {
      const statuses: number[] = [];
      for (let count = 0; count < 20; count++) statuses.push((await ask(ports.main)).status);
      return statuses;
    };
    const statuses = await Promise.all(Array.from({ length: 20 }, run));
    expect(statuses.flat().filter((status) => status !== 200)).toEqual([]);
  });

  test("what must not be done twice is not sent twice", async () => {
    const app = await startConnections((socket, connection) => {
      if (connection === 0 && app.heads.length > 1) socket.destroy();
      else socket.write(ok);
    });
    const { ports } = await startTestSidecar(app.port);
    await ask(ports.main);
    const answer = await ask(ports.main, { method: "POST" });
    expect([answer.status, answer.body]).toEqual([502, "the app closed the connection\n"]);
    expect([app.heads.length, app.sockets.length]).toEqual([2, 1]);
  });

  test("a new one that the app closes is not tried again", async () => {
    const app = await startConnections((socket) => void socket.destroy());
    const { ports } = await startTestSidecar(app.port);
    expect((await ask(ports.main)).status).toBe(502);
    expect(app.sockets.length).toBe(1);
  });

  test("bytes behind an answer never become the next request's answer", async () => {
    const app = await startConnections((socket) =>
      socket.write(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`),
    );
    const { ports } = await startTestSidecar(app.port);
    for (let count = 0; count < 3; count++) expect((await ask(ports.main)).body).toBe("ok");
    expect(app.sockets.length).toBe(3);
  });

  test("one whose app answered before it took all of the request is not used again", async () => {
    const app = await startConnections((socket, connection) => {
      if (connection === 0) socket.pause();
      socket.write(ok);
    });
    const pool = createPool(app.port);
    // Much more than the system takes from us while the app does not read.
    expect(await getThrough(pool, Buffer.alloc(32 * 1024 * 1024))).toBe(200);
    expect(await getThrough(pool)).toBe(200);
    expect(app.sockets.length).toBe(2);
  });

  test("no more are kept unused than the pool may", async () => {
    const app = await startConnections((socket) => {
      if (app.heads.length === 3) for (const each of app.sockets) each.write(ok);
      return socket;
    });
    const pool = createPool(app.port);
    const answered = Array.from({ length: 3 }, () => getThrough(pool));
    expect(await Promise.all(answered)).toEqual([200, 200, 200]);
    await until(() => app.sockets.filter((socket) => socket.readyState === "open").length === 2);
  });

  test("one that the app says it closes soon is not used again", async () => {
    const app = await startConnections((socket) =>
      socket.write(ok.replace("OK\r\n", "OK\r\nKeep-Alive: timeout=1\r\n")),
    );
    const { ports } = await startTestSidecar(app.port);
    await ask(ports.main);
    await ask(ports.main);
    expect(app.sockets.length).toBe(2);
  });
});

describe("bytes", () => {
  test.each(["length", "chunks"])(
    "of many answers at once, with slow and fast readers, are the app's (%s)",
    async (framing) => {
      const bodies = Array.from({ length: 12 }, (_, index) => randomBytes(40_000 * (index + 1) ** 2));
      const app = await startApp((received, response) => {
        const body = bodies[Number(received.url?.slice(1))] ?? Buffer.alloc(0);
        if (framing === "length") response.setHeader("content-length", body.length);
        // In pieces of odd sizes, so that reads end anywhere.
        for (let at = 0; at < body.length; at += 77_777) response.write(body.subarray(at, at + 77_777));
        response.end();
      });
      const { ports } = await startTestSidecar(app.port);
      const agent = new Agent({ keepAlive: true });
      onTestFinished(() => agent.destroy());
      const wanted = bodies.map((body) => createHash("sha256").update(body).digest("hex"));
      for (let round = 0; round < 2; round++) {
        const seen = await Promise.all(
          bodies.map((_, index) => hashOf(ports.main, `/${index}`, agent, index % 3 === 0)),
        );
        expect(seen).toEqual(wanted);
      }
    },
  );
});

/** One request on a connection of the pool; resolves to its status. */
function createPool(port: number): UpstreamPool {
  const options = { connectTimeoutMs: 0, idleTimeoutMs: 10_000, maxIdlePerTarget: 2, maxHeadBytes: 1000 };
  const pool = new UpstreamPool({ address: "127.0.0.1", port }, options, systemClock);
  onTestFinished(() => pool.destroy());
  return pool;
}

/** The status of the answer to one request, which is handed over whole at once. */
function getThrough(pool: UpstreamPool, body?: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    let status = 0;
    pool.take({
      onConnectFailed: reject,
      onConnection: (connection) => {
        connection.send(
          {
            onInformation: () => undefined,
            onHead: (head) => void (status = head.status),
            onData: () => false,
            onComplete: () => resolve(status),
            onDrain: () => undefined,
            onLost: reject,
          },
          `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body?.length ?? 0}\r\n\r\n`,
          false,
          body !== undefined,
        );
        if (body === undefined) return;
        connection.write(body);
        connection.endRequest();
      },
    });
  });
}

/** Reads an answer, a slow reader with a pause at each piece, and says what it hashes to. */
function hashOf(port: number, path: string, agent: Agent, isSlow: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ port, host: "127.0.0.1", path, agent }, (response) => {
      const hash = createHash("sha256");
      response
        .on("data", (chunk: Buffer) => {
          hash.update(chunk);
          if (!isSlow) return;
          response.pause();
          setImmediate(() => response.resume());
        })
        .on("end", () => resolve(hash.digest("hex")))
        .on("error", reject);
    })
      .on("error", reject)
      .end();
  });
}
