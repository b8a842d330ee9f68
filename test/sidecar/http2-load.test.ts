import { createHash, randomBytes } from "node:crypto";
import { constants, type ServerHttp2Stream } from "node:http2";
import { describe, expect, test } from "vitest";
import { askStream, connectHttp2, startHttp2App } from "../support/http2-harness.ts";
import { readMetric, startTestSidecar, until, untilMetric } from "../support/sidecar-harness.ts";

function echo(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200 });
  stream.pipe(stream);
}

function hash(bytes: Buffer | string): string {
  return createHash("sha256")
    .update(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, "latin1"))
    .digest("hex");
}

describe("many streams", () => {
  test("a thousand at once on one connection, bodies of all sizes both ways, every byte right", async () => {
    const app = await startHttp2App(echo, { maxConcurrentStreams: 1000 });
    const { ports } = await startTestSidecar(app.port);
    const client = connectHttp2(ports.main);
    const bodies = Array.from({ length: 1000 }, (_, index) => randomBytes((index * index) % 70_001));
    const answers = await Promise.all(bodies.map((body) => askStream(client, { ":method": "POST" }, body)));
    const wrong = answers.filter((answer, index) => hash(answer.body) !== hash(bodies[index] ?? ""));
    expect(wrong).toEqual([]);
    const labels = 'http_response_status_code="200"';
    await untilMetric(ports.metrics, `kn_serving_invocation_duration_seconds_count{${labels}}`, 1000);
  });

  test.each([1, 7])(
    "an app that takes %i at once gets no more on a connection, and all are answered",
    async (limit) => {
      let most = 0;
      const running = new Map<unknown, number>();
      const app = await startHttp2App(
        (stream) => {
          const count = (running.get(stream.session) ?? 0) + 1;
          running.set(stream.session, count);
          most = Math.max(most, count);
          setImmediate(() => {
            running.set(stream.session, (running.get(stream.session) ?? 0) - 1);
            stream.respond({ ":status": 200 });
            stream.end("ok");
          });
        },
        { maxConcurrentStreams: limit },
      );
      const { ports } = await startTestSidecar(app.port);
      const client = connectHttp2(ports.main);
      const answers = await Promise.all(Array.from({ length: 200 }, () => askStream(client)));
      expect(answers.filter(({ status, body }) => status !== 200 || body !== "ok")).toEqual([]);
      expect(most).toBeLessThanOrEqual(limit);
    },
  );

  test("clients beyond our own limit of streams wait for their turn and are all served", async () => {
    const held: ServerHttp2Stream[] = [];
    const app = await startHttp2App((stream) => void held.push(stream), { maxConcurrentStreams: 1000 });
    const { ports } = await startTestSidecar(app.port);
    const client = connectHttp2(ports.main);
    const answers = Array.from({ length: 300 }, () => askStream(client));
    await until(() => held.length === 250);
    let answered = 0;
    while (answered < 300) {
      await until(() => held.length > answered);
      held[answered++]?.respond({ ":status": 204 }, { endStream: true });
    }
    expect((await Promise.all(answers)).filter(({ status }) => status !== 204)).toEqual([]);
  });
});

describe("back-pressure", () => {
  /** Resolves when the number has not changed for many turns of the loop. */
  async function untilStill(read: () => number): Promise<number> {
    let before = -1;
    for (let still = 0; still < 40;) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      still = read() === before ? still + 1 : 0;
      before = read();
    }
    return before;
  }

  test("a reader that stops holds the app back, others on its connection go on, and in the end it has all", async () => {
    const body = randomBytes(8 * 1024 * 1024);
    let written = 0;
    const app = await startHttp2App((stream, headers) => {
      stream.respond({ ":status": 200 });
      if (headers[":path"] !== "/large") {
        stream.end("small");
        return;
      }
      const more = (): void => {
        while (written < body.length) {
          const piece = body.subarray(written, written + 16_384);
          written += piece.length;
          if (!stream.write(piece)) return;
        }
        stream.end();
      };
      stream.on("drain", more);
      more();
    });
    const { ports } = await startTestSidecar(app.port);
    const client = connectHttp2(ports.main);
    const slow = client.request({ ":path": "/large" });
    await new Promise((resolve) => slow.on("response", resolve));
    // What is under way: two windows, and what the sockets' buffers on both sides hold.
    expect(await untilStill(() => written)).toBeLessThan(3 * 1024 * 1024);
    expect((await askStream(client)).body).toBe("small");
    const chunks: Buffer[] = [];
    for await (const chunk of slow) chunks.push(chunk as Buffer);
    expect(hash(Buffer.concat(chunks))).toBe(hash(body));
  });

  test("readers of all paces on several connections: every byte of every answer is right", async () => {
    const bodies = Array.from({ length: 24 }, () => randomBytes(1_500_000));
    const app = await startHttp2App((stream, headers) => {
      stream.respond({ ":status": 200 });
      stream.end(bodies[Number(headers["x-id"])]);
    });
    const { ports } = await startTestSidecar(app.port);
    const clients = [1, 2, 3].map(() => connectHttp2(ports.main));
    const read = async (id: number): Promise<string> => {
      const stream = clients[id % 3]?.request({ ":path": "/", "x-id": String(id) });
      const chunks: Buffer[] = [];
      for await (const chunk of stream ?? []) {
        chunks.push(chunk as Buffer);
        // Some take a turn of the loop for each piece, some several, some none.
        for (let turns = id % 4; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      }
      return hash(Buffer.concat(chunks));
    };
    const hashes = await Promise.all(bodies.map((_, id) => read(id)));
    expect(hashes).toEqual(bodies.map(hash));
  });

  test("an app that stops reading holds the client back, others go on, and in the end it has all", async () => {
    const body = randomBytes(8 * 1024 * 1024);
    let slow: ServerHttp2Stream | undefined;
    const app = await startHttp2App((stream, headers) => {
      if (headers[":path"] === "/large") slow = stream;
      else echo(stream);
    });
    const { ports } = await startTestSidecar(app.port);
    const client = connectHttp2(ports.main);
    const upload = client.request({ ":path": "/large", ":method": "POST" });
    let sent = 0;
    const more = (): void => {
      while (sent < body.length) {
        const piece = body.subarray(sent, sent + 16_384);
        sent += piece.length;
        if (!upload.write(piece)) return;
      }
      upload.end();
    };
    upload.on("drain", more);
    more();
    await until(() => slow !== undefined);
    expect(await untilStill(() => sent)).toBeLessThan(3 * 1024 * 1024);
    expect((await askStream(client, { ":method": "POST" }, "small")).body).toBe("small");
    const chunks: Buffer[] = [];
    for await (const chunk of slow ?? []) chunks.push(chunk as Buffer);
    expect(hash(Buffer.concat(chunks))).toBe(hash(body));
    slow?.respond({ ":status": 200 }, { endStream: true });
    await new Promise((resolve) => upload.on("close", resolve).resume());
  });
});

describe("an app that leaves", () => {
  test("its GOAWAY lets what runs finish, and the next request gets a new connection", async () => {
    const held: ServerHttp2Stream[] = [];
    const app = await startHttp2App((stream, headers) => {
      if (headers[":path"] === "/held") held.push(stream);
      else stream.respond({ ":status": 200 }, { endStream: true });
    });
    const { ports } = await startTestSidecar(app.port);
    const client = connectHttp2(ports.main);
    const running = askStream(client, { ":path": "/held" });
    await until(() => held.length === 1);
    for (const session of app.sessions) session.close();
    expect((await askStream(client)).status).toBe(200);
    expect(app.connectionCount).toBe(2);
    held[0]?.respond({ ":status": 200 });
    held[0]?.end("late");
    expect(await running).toMatchObject({ status: 200, body: "late", rstCode: 0 });
  });

  test("a thousand calls while it says GOAWAY again and again: all are answered, none twice", async () => {
    const seen = new Map<string, number>();
    const app = await startHttp2App((stream, headers) => {
      const id = String(headers["x-id"]);
      seen.set(id, (seen.get(id) ?? 0) + 1);
      let body = "";
      stream.setEncoding("latin1").on("data", (text: string) => (body += text));
      stream.on("end", () => {
        stream.respond({ ":status": 200 });
        stream.end(`${id} ${body}`);
        if (Number(id) % 40 === 0) stream.session?.close();
      });
    });
    const { ports } = await startTestSidecar(app.port);
    const client = connectHttp2(ports.main);
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, id) =>
        askStream(client, { ":method": "POST", "x-id": String(id) }, `body of ${id}`),
      ),
    );
    expect(answers.filter(({ body }, id) => body !== `${id} body of ${id}`)).toEqual([]);
    expect([...seen.values()].filter((times) => times !== 1)).toEqual([]);
    expect(app.connectionCount).toBeGreaterThan(1);
  });

  test("one that dies fails what ran there with 502, and the next request is served", async () => {
    let isDead = false;
    let started = 0;
    const app = await startHttp2App((stream) => {
      started++;
      if (isDead) stream.respond({ ":status": 200 }, { endStream: true });
    });
    const { ports } = await startTestSidecar(app.port);
    const client = connectHttp2(ports.main);
    const running = askStream(client);
    await until(() => started === 1);
    isDead = true;
    for (const session of app.sessions) session.socket.destroy();
    expect(await running).toMatchObject({ status: 502, body: "the app closed the connection\n" });
    expect((await askStream(client)).status).toBe(200);
  });

  test.each<[string, string | undefined, number]>([
    ["GET", undefined, 200],
    ["POST", undefined, 502],
    ["PUT", "body", 502],
  ])(
    "one that closes its connection without a word as a %s comes: status by whether twice does harm",
    async (method, body, expected) => {
      let streams = 0;
      const app = await startHttp2App((stream) => {
        if (++streams === 2) stream.session?.socket.destroy();
        else stream.respond({ ":status": 200 }, { endStream: true });
      });
      const { ports } = await startTestSidecar(app.port);
      const client = connectHttp2(ports.main);
      expect((await askStream(client)).status).toBe(200);
      expect((await askStream(client, { ":method": method }, body)).status).toBe(expected);
      expect(streams).toBe(expected === 200 ? 3 : 2);
    },
  );

  test("a stream that it refuses is sent again, body and all", async () => {
    const bodies: string[] = [];
    let refusals = 0;
    const app = await startHttp2App((stream) => {
      if (refusals++ < 2) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
      stream.setEncoding("latin1").on("data", (text: string) => void bodies.push(text));
      stream.on("end", () => stream.respond({ ":status": 200 }, { endStream: true }));
    });
    const { ports } = await startTestSidecar(app.port);
    expect((await askStream(connectHttp2(ports.main), { ":method": "POST" }, "once")).status).toBe(200);
    expect(bodies).toEqual(["once"]);
  });

  test("one that refuses everything is a 502 in the end", async () => {
    let refusals = 0;
    const app = await startHttp2App((stream) => {
      refusals++;
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
    });
    const { ports } = await startTestSidecar(app.port);
    expect((await askStream(connectHttp2(ports.main))).status).toBe(502);
    expect(refusals).toBe(3);
  });
});

test("clients that give up cost the others nothing: a connection to the app is not reset until it breaks", async () => {
  let started = 0;
  const held: ServerHttp2Stream[] = [];
  const app = await startHttp2App(
    (stream, headers) => {
      started++;
      if (headers[":path"] === "/held") held.push(stream);
    },
    { maxConcurrentStreams: 1000 },
  );
  const { ports } = await startTestSidecar(app.port);
  const patient = askStream(connectHttp2(ports.main), { ":path": "/held" });
  await until(() => held.length === 1);
  // Node's own server ends a connection at a thousand resets.
  for (let client = 0; client < 20; client++) {
    const session = connectHttp2(ports.main);
    const streams = Array.from({ length: 100 }, () => session.request({ ":path": "/" }));
    for (const stream of streams) stream.on("error", () => undefined);
    await until(() => started === 1 + (client + 1) * 100);
    for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    await Promise.all(streams.map((stream) => new Promise((resolve) => stream.on("close", resolve))));
    session.destroy();
  }
  held[0]?.respond({ ":status": 200 });
  held[0]?.end("served");
  expect(await patient).toMatchObject({ status: 200, body: "served" });
  const labels = 'http_request_method="GET",http_response_status_code="499",kn_route_tag="kn:disabled"';
  await untilMetric(ports.metrics, `http_server_request_duration_seconds_count{${labels}}`, 2000);
  expect(await readMetric(ports.metrics, `http_server_request_duration_seconds_count{${labels}}`)).toBe(2000);
});
