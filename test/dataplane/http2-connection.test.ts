import { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { Http2Connection, type ConnectionOwner } from "../../packages/dataplane/src/http2/connection.ts";
import type { StreamHandler } from "../../packages/dataplane/src/http2/stream.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { fields, flag, frame, preface, setting, type, uint32, whole } from "../support/raw-http2.ts";

const local = {
  maxConcurrentStreams: 250,
  streamWindowBytes: 65_536,
  connectionWindowBytes: 1024 * 1024,
  maxHeaderListBytes: 16_384,
};

/** A socket that is a list of what was written; it takes nothing while `isStuck`. */
class FakeSocket extends Duplex {
  readonly writes: Buffer[] = [];
  isStuck = false;
  #waiting: (() => void)[] = [];

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#take([chunk], callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: () => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  release(): void {
    this.isStuck = false;
    for (const callback of this.#waiting.splice(0)) callback();
  }

  /** Types and streams of all frames so far. */
  get frames(): string[] {
    const bytes = Buffer.concat(this.writes);
    const frames: string[] = [];
    const start = bytes.subarray(0, preface.length).equals(preface) ? preface.length : 0;
    for (let at = start; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
      const kind = Object.entries(type).find(([, value]) => value === bytes[at + 3])?.[0] ?? "unknown";
      const code = kind === "goAway" ? ` ${bytes.readUInt32BE(at + 9)} ${bytes.readUInt32BE(at + 13)}` : "";
      frames.push(`${kind} ${bytes.readUInt32BE(at + 5)}${code}`);
    }
    return frames;
  }

  #take(chunks: readonly Buffer[], callback: () => void): void {
    this.writes.push(Buffer.concat(chunks));
    if (this.isStuck) this.#waiting.push(callback);
    else callback();
  }
}

const quietOwner: ConnectionOwner = {
  onRequest() {},
  onSettings() {},
  onStreamClosed() {},
  onClosed() {},
};

class Recorder implements StreamHandler {
  readonly isHolding = true;
  readonly events: string[] = [];
  onHead(): void {
    this.events.push("head");
  }
  onData(chunk: Buffer, isEnd: boolean): void {
    this.events.push(`data ${chunk.length}${isEnd ? " end" : ""}`);
  }
  onTrailers(): void {
    this.events.push("trailers");
  }
  onDrain(): void {
    this.events.push("drain");
  }
  onReset(code: number, flaw?: string): void {
    this.events.push(`reset ${code} ${flaw ?? ""}`.trimEnd());
  }
}

/** Everything that was to be written this turn has been. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

function serve(owner: Partial<ConnectionOwner> = {}) {
  const socket = new FakeSocket();
  const clock = new ManualClock();
  const connection = new Http2Connection(
    socket,
    { isServer: true, local, clock },
    { ...quietOwner, ...owner },
  );
  socket.push(Buffer.concat([preface, frame(type.settings, 0, 0)]));
  return { socket, connection, clock };
}

async function connect(settings: Buffer = Buffer.alloc(0)) {
  const socket = new FakeSocket();
  const connection = new Http2Connection(
    socket,
    { isServer: false, local, clock: new ManualClock() },
    quietOwner,
  );
  socket.push(frame(type.settings, 0, 0, settings));
  await turn();
  return { socket, connection };
}

const get = { method: "GET", path: "/", authority: "a", headers: [], trailer: undefined };
const request = fields([
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
]);
const answer = fields([[":status", "200"]]);

describe("writing", () => {
  test("what one turn of the event loop brings leaves in one write", async () => {
    const { socket } = serve({
      onRequest(stream) {
        stream.sendHead([":status", "200"], [], false);
        stream.end(Buffer.from("ok"));
      },
    });
    await turn();
    socket.writes.length = 0;
    socket.push(Buffer.concat([1, 3, 5].map((stream) => frame(type.headers, whole, stream, request))));
    await turn();
    expect(socket.writes).toHaveLength(1);
    expect(socket.frames).toEqual(["headers 1", "data 1", "headers 3", "data 3", "headers 5", "data 5"]);
  });

  test("bodies wait while the socket is full, take turns when it is not, and their writers hear of it", async () => {
    const { socket, connection } = await connect(setting(4, 1_000_000));
    socket.push(frame(type.windowUpdate, 0, 0, uint32(1_000_000)));
    await turn();
    const recorders = [new Recorder(), new Recorder()];
    const streams = recorders.map((recorder) => connection.request(get, false, recorder));
    socket.isStuck = true;
    for (const stream of streams) expect(stream?.write(Buffer.alloc(40_000))).toBe(true);
    await turn();
    // The first write filled the socket.
    for (const stream of streams) expect(stream?.write(Buffer.alloc(100_000))).toBe(false);
    await turn();
    socket.writes.length = 0;
    socket.release();
    await turn();
    const data = socket.frames.filter((each) => each.startsWith("data"));
    expect(data.slice(0, 4)).toEqual(["data 1", "data 3", "data 1", "data 3"]);
    expect(data).toHaveLength(14);
    expect(recorders.map(({ events }) => events)).toEqual([["drain"], ["drain"]]);
  });

  test("a body goes no further than the stream's window, and on when that grows, also by SETTINGS", async () => {
    const { socket, connection } = await connect(setting(4, 5));
    const stream = connection.request(get, false, new Recorder());
    stream?.end(Buffer.from("0123456789abcdef"));
    await turn();
    const sent = () => Buffer.concat(socket.writes).toString("latin1");
    expect(sent()).toContain("01234");
    expect(sent()).not.toContain("5");
    socket.push(frame(type.windowUpdate, 0, 1, uint32(3)));
    await turn();
    expect(sent()).toContain("567");
    socket.push(frame(type.settings, 0, 0, setting(4, 100)));
    await turn();
    expect(sent()).toContain("89abcdef");
  });

  test("a table that the peer wants smaller is made smaller before anything else is said", async () => {
    const { socket, connection } = await connect(setting(1, 0));
    socket.writes.length = 0;
    connection.request(get, true, new Recorder());
    await turn();
    expect(Buffer.concat(socket.writes)[9]).toBe(0x20);
  });

  test("answers to PING that nobody reads end the connection", async () => {
    const { socket, connection } = serve();
    await turn();
    socket.isStuck = true;
    for (let round = 0; round < 60 && !connection.isClosed; round++) {
      socket.push(Buffer.concat(Array<Buffer>(100).fill(frame(type.ping, 0, 0, "12345678"))));
      await turn();
    }
    expect(connection.isClosed).toBe(true);
  });
});

test("answers that are whole and that their client takes nothing of are given up", async () => {
  const { socket, connection } = serve({
    onRequest(stream) {
      stream.sendHead([":status", "200"], [], false);
      stream.end(Buffer.alloc(100_000));
    },
  });
  socket.push(frame(type.headers, whole, 1, request));
  await turn();
  connection.dropStalled();
  socket.push(frame(type.windowUpdate, 0, 1, uint32(10)));
  socket.push(frame(type.windowUpdate, 0, 0, uint32(10)));
  await turn();
  // Something went meanwhile.
  connection.dropStalled();
  expect(connection.streamCount).toBe(1);
  connection.dropStalled();
  expect(connection.streamCount).toBe(0);
  await turn();
  expect(socket.frames.at(-1)).toBe("rstStream 1");
});

describe("leaving", () => {
  test("a server goes on with what was under way, tells the last stream that it serves, and ends behind that", async () => {
    const streams: { end(): void }[] = [];
    const { socket, connection } = serve({
      onRequest(stream) {
        stream.handler = new Recorder();
        stream.sendHead([":status", "200"], [], false);
        streams.push(stream);
      },
    });
    socket.push(frame(type.headers, whole, 1, request));
    await turn();
    connection.leave();
    await turn();
    expect(socket.frames.slice(-2)).toEqual(["goAway 0 2147483647 0", "ping 0"]);
    // Sent before the client heard.
    socket.push(frame(type.headers, whole, 3, request));
    socket.push(frame(type.ping, flag.ack, 0, "leaving!"));
    await turn();
    expect(socket.frames.at(-1)).toBe("goAway 0 3 0");
    socket.push(frame(type.headers, whole, 5, request));
    await turn();
    expect(socket.frames.at(-1)).toBe("rstStream 5");
    expect(streams).toHaveLength(2);
    for (const stream of streams) stream.end();
    await turn();
    expect(connection.isClosed).toBe(true);
  });

  test("a server's GOAWAY tells which of our streams it did not begin; the others are finished", async () => {
    const { socket, connection } = await connect();
    const recorders = [new Recorder(), new Recorder()];
    for (const recorder of recorders) connection.request(get, true, recorder);
    socket.push(frame(type.goAway, 0, 0, uint32(1, 0)));
    await turn();
    expect(connection.hasRoom).toBe(false);
    socket.push(
      Buffer.concat([frame(type.headers, flag.endHeaders, 1, answer), frame(type.data, 1, 1, "ok")]),
    );
    await turn();
    expect(recorders.map(({ events }) => events)).toEqual([["head", "data 2 end"], ["reset 7"]]);
    expect(connection.isClosed).toBe(true);
  });
});

const large = fields([
  [":status", "200"],
  ["x-a", "y".repeat(9000)],
  ["x-b", "y".repeat(9000)],
]);

describe("a server that we are a client of", () => {
  test("may reset every stream that it has answered, without end", async () => {
    const { socket, connection } = await connect();
    for (let id = 1; id < 24_000; id += 2) {
      const stream = connection.request(get, false, new Recorder());
      stream?.end(Buffer.from("x"));
      socket.push(
        Buffer.concat([frame(type.headers, whole, id, answer), frame(type.rstStream, 0, id, uint32(0))]),
      );
      if (id % 1001 === 0) await turn();
      socket.push(Buffer.concat([frame(type.windowUpdate, 0, 0, uint32(1))]));
    }
    await turn();
    expect(connection.isClosed).toBe(false);
  });

  test.each<[string, Buffer]>([
    ["without a status", frame(type.headers, whole, 1, fields([["x-a", "1"]]))],
    ["with two", frame(type.headers, whole, 1, Buffer.concat([answer, answer]))],
    ["with one that is none", frame(type.headers, whole, 1, fields([[":status", "2000"]]))],
    ["that changes the protocol", frame(type.headers, flag.endHeaders, 1, fields([[":status", "101"]]))],
    ["that is only begun", frame(type.headers, whole, 1, fields([[":status", "103"]]))],
    [
      "with a path",
      frame(
        type.headers,
        whole,
        1,
        fields([
          [":status", "200"],
          [":path", "/"],
        ]),
      ),
    ],
    [
      "of a connection",
      frame(
        type.headers,
        whole,
        1,
        fields([
          [":status", "200"],
          ["connection", "x"],
        ]),
      ),
    ],
    [
      "with a line break",
      frame(
        type.headers,
        whole,
        1,
        fields([
          [":status", "200"],
          ["x-a", "b\r\nc: d"],
        ]),
      ),
    ],
    ["that begins with its body", frame(type.data, 0, 1, "x")],
    [
      "with two lengths",
      frame(
        type.headers,
        whole,
        1,
        fields([
          [":status", "200"],
          ["content-length", "0"],
          ["content-length", "0"],
        ]),
      ),
    ],
    [
      "without the body that it announced",
      frame(
        type.headers,
        whole,
        1,
        fields([
          [":status", "200"],
          ["content-length", "1"],
        ]),
      ),
    ],
    [
      "larger than we take",
      Buffer.concat([
        frame(type.headers, flag.endStream, 1, large.subarray(0, 16_000)),
        frame(type.continuation, flag.endHeaders, 1, large.subarray(16_000)),
      ]),
    ],
  ])("an answer %s is none, and costs its stream alone", async (_what, bytes) => {
    const { socket, connection } = await connect();
    const recorder = new Recorder();
    connection.request(get, true, recorder);
    socket.push(bytes);
    await turn();
    expect(recorder.events).toEqual([expect.stringMatching(/^reset 1 ./)]);
    expect(connection.isClosed).toBe(false);
  });

  test("a body behind an answer that has none is no body", async () => {
    const { socket, connection } = await connect();
    const recorder = new Recorder();
    connection.request(get, true, recorder);
    socket.push(frame(type.headers, flag.endHeaders, 1, fields([[":status", "204"]])));
    socket.push(frame(type.data, flag.endStream, 1, "x"));
    await turn();
    expect(recorder.events).toEqual(["head", "reset 1 more body than content-length says"]);
    expect(connection.isClosed).toBe(false);
  });
});
