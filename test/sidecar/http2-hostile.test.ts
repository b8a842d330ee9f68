import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { askStream, connectHttp2, startHttp2App } from "../support/http2-harness.ts";
import {
  fields,
  flag,
  frame,
  integer,
  preface,
  RawHttp2,
  setting,
  text,
  type,
  uint32,
  whole,
  type Field,
} from "../support/raw-http2.ts";
import { startTestSidecar, until } from "../support/sidecar-harness.ts";
import { usedBytes } from "../support/used-bytes.ts";
import { untilStill } from "../support/wait-until.ts";

interface Stage {
  readonly main: number;
  /** Paths of requests that the app saw whole, and of those that it saw begin. */
  readonly whole: string[];
  readonly begun: string[];
}

async function setStage(overrides: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const stage = { whole: [] as string[], begun: [] as string[] };
  const app = await startHttp2App((stream, headers) => {
    const path = String(headers[":path"]);
    stage.begun.push(path);
    stream.resume().on("end", () => {
      // A reset looks like an end as well.
      if (stream.aborted || stream.rstCode !== 0) return;
      stage.whole.push(path);
      stream.respond({ ":status": 200 });
      stream.end("ok");
    });
  });
  return { ...stage, main: (await startTestSidecar(app.port, overrides)).ports.main };
}

/** The next good request, on a connection of its own, is answered: the attack hurt nobody else. */
async function expectStillServing(stage: Stage): Promise<void> {
  expect(await askStream(connectHttp2(stage.main), { ":path": "/good" })).toMatchObject({
    status: 200,
    body: "ok",
  });
  expect(stage.whole.filter((path) => path !== "/good")).toEqual([]);
}

const method: Field = [":method", "GET"];
const scheme: Field = [":scheme", "http"];
const path: Field = [":path", "/bad"];
const authority: Field = [":authority", "a"];
const good = [method, scheme, path, authority] as const;
const post = [[":method", "POST"], scheme, path, authority] as const;

/** A head without a body. */
function head(list: readonly Field[], stream = 1): Buffer {
  return frame(type.headers, whole, stream, fields(list));
}

/** The head of a POST whose body follows. */
function open(list: readonly Field[] = [], stream = 1): Buffer {
  return frame(type.headers, flag.endHeaders, stream, fields([...post, ...list]));
}

describe("a head that no request may have never reaches the app, and others on its connection go on", () => {
  const malformed = "reset 1";
  test.each<[string, readonly Field[], string]>([
    ["Connection", [...good, ["connection", "keep-alive"]], "status 400"],
    ["Proxy-Connection", [...good, ["proxy-connection", "keep-alive"]], "status 400"],
    ["Transfer-Encoding", [...good, ["transfer-encoding", "chunked"]], "status 400"],
    ["Keep-Alive", [...good, ["keep-alive", "1"]], "status 400"],
    ["Upgrade", [...good, ["upgrade", "websocket"]], "status 400"],
    ["TE other than trailers", [...good, ["te", "gzip"]], "status 400"],
    ["TE with more than trailers", [...good, ["te", "trailers, gzip"]], "status 400"],
    ["a name in upper case", [...good, ["X-Upper", "1"]], malformed],
    ["an empty name", [...good, ["", "1"]], malformed],
    ["a blank in a name", [...good, ["x a", "1"]], malformed],
    ["a null in a name", [...good, ["x\0a", "1"]], malformed],
    ["a line feed in a name", [...good, ["x\na", "1"]], malformed],
    ["a colon in a name", [...good, ["x:a", "b"]], malformed],
    ["a byte beyond ASCII in a name", [...good, ["x\xff", "b"]], malformed],
    ["a line feed in a value", [...good, ["x-a", "b\nc: d"]], malformed],
    ["a carriage return in a value", [...good, ["x-a", "b\r\nc: d"]], malformed],
    ["a null in a value", [...good, ["x-a", "b\0c"]], malformed],
    ["another control character in a value", [...good, ["x-a", "b\x01c"]], malformed],
    ["a DEL in a value", [...good, ["x-a", "b\x7fc"]], malformed],
    ["a blank before a value", [...good, ["x-a", " b"]], malformed],
    ["a tab behind a value", [...good, ["x-a", "b\t"]], malformed],
    ["a pseudo-header that is unknown", [...good, [":evil", "1"]], malformed],
    ["a colon alone", [...good, [":", "1"]], malformed],
    ["a pseudo-header of responses", [...good, [":status", "200"]], malformed],
    ["a pseudo-header of extended CONNECT", [...good, [":protocol", "websocket"]], malformed],
    ["a path twice", [...good, [":path", "/other"]], malformed],
    ["a method twice", [method, ...good], malformed],
    ["an authority twice", [...good, authority], malformed],
    ["a pseudo-header after others", [["x-a", "1"], ...good], malformed],
    ["a path after others", [method, scheme, authority, ["x-a", "1"], path], malformed],
    ["nothing at all", [], malformed],
    ["no method", [scheme, path, authority], malformed],
    ["no scheme", [method, path, authority], malformed],
    ["no path", [method, scheme, authority], malformed],
    ["an empty path", [method, scheme, [":path", ""], authority], malformed],
    ["a blank in the path", [method, scheme, [":path", "/a b"], authority], malformed],
    ["a line break in the path", [method, scheme, [":path", "/a\r\nx: y"], authority], malformed],
    ["a path that is none", [method, scheme, [":path", "bad"], authority], malformed],
    ["an address for a path", [method, scheme, [":path", "http://b/x"], authority], malformed],
    ["a star for a path", [method, scheme, [":path", "*"], authority], malformed],
    ["a blank in the method", [[":method", "GET /x"], scheme, path, authority], malformed],
    ["a line break in the method", [[":method", "GET\r\nx: y"], scheme, path, authority], malformed],
    ["another scheme", [method, [":scheme", "ftp"], path, authority], malformed],
    ["a line break in the scheme", [method, [":scheme", "http\r\nx"], path, authority], malformed],
    ["a line break in the authority", [method, scheme, path, [":authority", "a\r\nx: y"]], malformed],
    ["an authority with user information", [method, scheme, path, [":authority", "u@a"]], "status 400"],
    ["an authority with a path", [method, scheme, path, [":authority", "a/b"]], "status 400"],
    ["an authority that differs from Host", [...good, ["host", "b"]], "status 400"],
    ["two Hosts", [...good, ["host", "a"], ["host", "a"]], "status 400"],
    ["a length that is none", [...good, ["content-length", "x"]], malformed],
    ["a signed length", [...good, ["content-length", "+0"]], malformed],
    ["a negative length", [...good, ["content-length", "-1"]], malformed],
    ["a list of lengths", [...good, ["content-length", "0, 0"]], malformed],
    ["an empty length", [...good, ["content-length", ""]], malformed],
    ["a length beyond any number", [...good, ["content-length", "99999999999999999999"]], malformed],
    ["a length twice", [...good, ["content-length", "0"], ["content-length", "0"]], malformed],
    ["a length without a body", [...good, ["content-length", "5"]], malformed],
    ["CONNECT", [[":method", "CONNECT"], authority], "status 502"],
    ["CONNECT with a path", [[":method", "CONNECT"], scheme, path, authority], "status 502"],
  ])("%s", async (_what, list, expected) => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main).greet().send(head(list));
    expect(await client.outcome(1)).toBe(expected);
    client.send(head([method, scheme, [":path", "/good"], authority], 3));
    expect(await client.outcome(3)).toBe("status 200");
    expect(stage.begun).toEqual(["/good"]);
    await expectStillServing(stage);
  });

  test("a head that is too large is 431", async () => {
    const stage = await setStage({ SLUICE_MAX_HEADER_BYTES: "16384" });
    const long: Field = ["x-long", "y".repeat(5000)];
    const block = fields([...good, long, long, long, long]);
    const client = new RawHttp2(stage.main)
      .greet()
      .send(
        frame(type.headers, flag.endStream, 1, block.subarray(0, 16_000)),
        frame(type.continuation, flag.endHeaders, 1, block.subarray(16_000)),
      );
    expect(await client.outcome(1)).toBe("status 431");
    client.send(head([method, scheme, [":path", "/good"], authority], 3));
    expect(await client.outcome(3)).toBe("status 200");
    expect(stage.begun).toEqual(["/good"]);
  });
});

describe("a body or trailers that no request may have: the app never sees the request as whole", () => {
  test.each<[string, readonly Buffer[]]>([
    ["more body than its length", [open([["content-length", "3"]]), frame(type.data, 0, 1, "abcd")]],
    ["less body than its length", [open([["content-length", "3"]]), frame(type.data, 1, 1, "ab")]],
    [
      "less body than its length, then trailers",
      [
        open([["content-length", "3"]]),
        frame(type.data, 0, 1, "ab"),
        frame(type.headers, whole, 1, fields([["x-t", "1"]])),
      ],
    ],
    ["no body but a length, the end on its own", [open([["content-length", "3"]]), frame(type.data, 1, 1)]],
    [
      "trailers that do not end it",
      [open(), frame(type.headers, flag.endHeaders, 1, fields([["x-t", "1"]]))],
    ],
    ["a second head", [open(), frame(type.headers, whole, 1, fields(good))]],
    ["a pseudo-header in trailers", [open(), frame(type.headers, whole, 1, fields([[":path", "/x"]]))]],
    [
      "a header of connections in trailers",
      [open(), frame(type.headers, whole, 1, fields([["connection", "x"]]))],
    ],
    ["upper case in trailers", [open(), frame(type.headers, whole, 1, fields([["X-T", "1"]]))]],
    ["a line break in trailers", [open(), frame(type.headers, whole, 1, fields([["x-t", "1\r\ny: z"]]))]],
    ["an increment of nothing", [open(), frame(type.windowUpdate, 0, 1, uint32(0))]],
  ])("%s", async (_what, frames) => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main).greet().send(...frames);
    expect(await client.outcome(1)).toBe("reset 1");
    client.send(head([method, scheme, [":path", "/good"], authority], 3));
    expect(await client.outcome(3)).toBe("status 200");
    await expectStillServing(stage);
  });

  test("a window of more than there can be resets the stream", async () => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main)
      .greet()
      .send(open(), frame(type.windowUpdate, 0, 1, uint32(0x7fffffff)));
    expect(await client.outcome(1)).toBe("reset 3");
    await expectStillServing(stage);
  });

  test("more body than the stream's window resets it", async () => {
    const stage = await setStage({ CONTAINER_CONCURRENCY: "1", SLUICE_QUEUE_DEPTH_FACTOR: "10" });
    // The first request occupies the app, so that nothing of the second's body is passed on.
    const client = new RawHttp2(stage.main).greet().send(open([], 1), open([], 3));
    for (let sent = 0; sent < 20; sent++) client.send(frame(type.data, 0, 3, "x".repeat(16_384)));
    expect(await client.outcome(3)).toBe("reset 3");
    client.send(frame(type.data, flag.endStream, 1));
    expect(await client.outcome(1)).toBe("status 200");
  });
});

describe("what breaks the connection: it ends, and nothing of it reaches the app", () => {
  const protocol = "goaway 1";
  const frameSize = "goaway 6";
  const compression = "goaway 9";
  const literal = Buffer.from([0x40]);
  test.each<[string, readonly Buffer[], string]>([
    ["DATA before any stream", [frame(type.data, 0, 1, "x")], protocol],
    ["DATA on the connection", [frame(type.data, 0, 0, "x")], protocol],
    ["DATA on a stream of ours", [frame(type.data, 0, 2, "x")], protocol],
    ["DATA with more padding than frame", [open(), frame(type.data, flag.padded, 1, "\x05abc")], protocol],
    ["padded DATA of nothing", [open(), frame(type.data, flag.padded, 1)], frameSize],
    ["HEADERS on the connection", [frame(type.headers, whole, 0, fields(good))], protocol],
    ["HEADERS on a stream of ours", [frame(type.headers, whole, 2, fields(good))], protocol],
    [
      "HEADERS with more padding than frame",
      [frame(type.headers, whole | flag.padded, 1, "\xffabc")],
      protocol,
    ],
    [
      "HEADERS too short for their priority",
      [frame(type.headers, whole | flag.priority, 1, "abc")],
      frameSize,
    ],
    ["PRIORITY of a wrong length", [frame(type.priority, 0, 1, "abcd")], frameSize],
    ["PRIORITY on the connection", [frame(type.priority, 0, 0, "abcde")], protocol],
    ["RST_STREAM before any stream", [frame(type.rstStream, 0, 1, uint32(8))], protocol],
    ["RST_STREAM on the connection", [frame(type.rstStream, 0, 0, uint32(8))], protocol],
    ["RST_STREAM of a wrong length", [open(), frame(type.rstStream, 0, 1, "abc")], frameSize],
    ["SETTINGS on a stream", [frame(type.settings, 0, 1)], protocol],
    ["SETTINGS of a wrong length", [frame(type.settings, 0, 0, "abcde")], frameSize],
    ["an acknowledgement with content", [frame(type.settings, flag.ack, 0, setting(4, 1))], frameSize],
    ["ENABLE_PUSH of 2", [frame(type.settings, 0, 0, setting(2, 2))], protocol],
    ["a window beyond 2^31", [frame(type.settings, 0, 0, setting(4, 2 ** 31))], "goaway 3"],
    ["frames below 16 KiB", [frame(type.settings, 0, 0, setting(5, 16_383))], protocol],
    ["frames beyond 16 MiB", [frame(type.settings, 0, 0, setting(5, 2 ** 24))], protocol],
    [
      "a thousand settings at once",
      [frame(type.settings, 0, 0, Buffer.concat(Array(1000).fill(setting(9, 1))))],
      "goaway 11",
    ],
    ["PUSH_PROMISE", [frame(type.pushPromise, flag.endHeaders, 1, uint32(2))], protocol],
    ["PING on a stream", [frame(type.ping, 0, 1, "12345678")], protocol],
    ["PING of a wrong length", [frame(type.ping, 0, 0, "1234567")], frameSize],
    ["GOAWAY on a stream", [frame(type.goAway, 0, 1, uint32(0, 0))], protocol],
    ["GOAWAY of a wrong length", [frame(type.goAway, 0, 0, uint32(0))], frameSize],
    ["an increment of nothing", [frame(type.windowUpdate, 0, 0, uint32(0))], protocol],
    ["an increment of a wrong length", [frame(type.windowUpdate, 0, 0, "abc")], frameSize],
    ["an increment of a stream that is none", [frame(type.windowUpdate, 0, 5, uint32(1))], protocol],
    ["a window of more than there can be", [frame(type.windowUpdate, 0, 0, uint32(0x7fffffff))], "goaway 3"],
    [
      "windows that SETTINGS make overflow",
      [
        open(),
        frame(type.windowUpdate, 0, 1, uint32(0x7fff0000)),
        frame(type.settings, 0, 0, setting(4, 0x7fffffff)),
      ],
      "goaway 3",
    ],
    ["CONTINUATION of nothing", [frame(type.continuation, flag.endHeaders, 1, fields(good))], protocol],
    [
      "CONTINUATION of another stream",
      [frame(type.headers, 1, 1, fields(good)), frame(type.continuation, 4, 3)],
      protocol,
    ],
    [
      "a PING inside a head",
      [frame(type.headers, 1, 1, fields(good)), frame(type.ping, 0, 0, "12345678")],
      protocol,
    ],
    ["DATA inside a head", [frame(type.headers, 1, 1, fields(good)), frame(type.data, 0, 1, "x")], protocol],
    ["a frame larger than allowed", [frame(type.ping, 0, 0, "x".repeat(16_385))], frameSize],
    ["DATA larger than allowed", [open(), frame(type.data, 0, 1, "x".repeat(16_385))], frameSize],
    ["a length that lies", [frame(type.headers, whole, 1, "", 0xffffff)], frameSize],
    ["field number 0", [frame(type.headers, whole, 1, "\x80")], compression],
    ["a field that is none", [frame(type.headers, whole, 1, "\xff\x7f")], compression],
    ["a field number without end", [frame(type.headers, whole, 1, `\xff${"\xff".repeat(10)}`)], compression],
    [
      "a name that is none",
      [frame(type.headers, whole, 1, Buffer.concat([integer(99, 6, 0x40), text("x")]))],
      compression,
    ],
    [
      "a name cut short",
      [frame(type.headers, whole, 1, Buffer.concat([literal, integer(50, 7, 0), Buffer.from("abc")]))],
      compression,
    ],
    [
      "a value cut short",
      [frame(type.headers, whole, 1, Buffer.concat([literal, text("x"), integer(50, 7, 0)]))],
      compression,
    ],
    ["a literal cut short", [frame(type.headers, whole, 1, literal)], compression],
    ["a table larger than allowed", [frame(type.headers, whole, 1, integer(4097, 5, 0x20))], compression],
    [
      "a table's size behind fields",
      [frame(type.headers, whole, 1, Buffer.concat([fields(good), integer(0, 5, 0x20)]))],
      compression,
    ],
    [
      "three table sizes",
      [
        frame(
          type.headers,
          whole,
          1,
          Buffer.concat([integer(0, 5, 0x20), integer(9, 5, 0x20), integer(0, 5, 0x20), fields(good)]),
        ),
      ],
      compression,
    ],
    [
      "the end-of-string code",
      [
        frame(
          type.headers,
          whole,
          1,
          Buffer.concat([literal, integer(4, 7, 0x80), Buffer.from("ffffffff", "hex"), text("x")]),
        ),
      ],
      compression,
    ],
    [
      "padding of zeros",
      [
        frame(
          type.headers,
          whole,
          1,
          Buffer.concat([literal, integer(1, 7, 0x80), Buffer.from([0x18]), text("x")]),
        ),
      ],
      compression,
    ],
    [
      "padding of a whole byte",
      [
        frame(
          type.headers,
          whole,
          1,
          Buffer.concat([literal, integer(2, 7, 0x80), Buffer.from([0x1f, 0xff]), text("x")]),
        ),
      ],
      compression,
    ],
  ])("%s", async (_what, frames, expected) => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main).greet().send(...frames);
    expect(await client.outcome(99)).toBe(expected);
    await client.waitForClose();
    await expectStillServing(stage);
  });

  test.each<[string, number]>([
    ["DATA behind the end of its stream", type.data],
    ["HEADERS behind the end of their stream", type.headers],
  ])("%s", async (_what, kind) => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main)
      .greet()
      .send(head([method, scheme, [":path", "/good"], authority]));
    expect(await client.outcome(1)).toBe("status 200");
    await client.waitFor((each) => each.type === type.data && (each.flags & flag.endStream) !== 0);
    client.send(frame(kind, whole, 1, kind === type.data ? "x" : fields(good)));
    expect(await client.outcome(99)).toBe("goaway 5");
    await expectStillServing(stage);
  });

  test("a stream with a number below the last", async () => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main).greet().send(open([], 5), head(good, 3));
    expect(await client.outcome(99)).toBe("goaway 5");
    await expectStillServing(stage);
  });

  test("more bodies than the connection's window", async () => {
    const stage = await setStage({ CONTAINER_CONCURRENCY: "1", SLUICE_QUEUE_DEPTH_FACTOR: "100" });
    const client = new RawHttp2(stage.main).greet();
    for (let stream = 1; stream < 80 && !client.isClosed; stream += 2) {
      client.send(open([], stream));
      for (let sent = 0; sent < 16; sent++) client.send(frame(type.data, 0, stream, "x".repeat(16_384)));
    }
    expect(await client.outcome(99)).toBe("goaway 3");
    await expectStillServing(stage);
  });

  test.each<[string, Buffer, RegExp]>([
    ["no SETTINGS at first, but a request", Buffer.concat([preface, head(good)]), /goaway 1/],
    ["no SETTINGS at first, but DATA", Buffer.concat([preface, frame(type.data, 0, 1, "x")]), /goaway 1/],
    ["an acknowledgement at first", Buffer.concat([preface, frame(type.settings, flag.ack, 0)]), /goaway 1/],
    [
      "garbage behind the preface",
      Buffer.concat([preface, Buffer.from("garbage ".repeat(100))]),
      /goaway [16]/,
    ],
  ])("%s", async (_what, bytes, expected) => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main).send(bytes);
    expect(await client.outcome(99)).toMatch(expected);
    await client.waitForClose();
    await expectStillServing(stage);
  });
});

describe("frames that are odd and no harm", () => {
  const late = head([method, scheme, [":path", "/good"], authority], 3);
  test.each<[string, readonly Buffer[]]>([
    ["of an unknown type", [frame(0x42, 0xff, 7, "whatever")]],
    ["an unknown setting", [frame(type.settings, 0, 0, setting(0xf0, 99))]],
    ["a priority of a stream that is none", [frame(type.priority, 0, 9, "\0\0\0\x01\x10")]],
    [
      "a reset of a stream that was reset",
      [open(), frame(type.rstStream, 0, 1, uint32(8)), frame(type.rstStream, 0, 1, uint32(8))],
    ],
    [
      "an increment of a stream that was reset",
      [open(), frame(type.rstStream, 0, 1, uint32(8)), frame(type.windowUpdate, 0, 1, uint32(1))],
    ],
    [
      "padding and priority",
      [
        frame(
          type.headers,
          flag.endHeaders | flag.padded | flag.priority,
          1,
          Buffer.concat([Buffer.from("\x03\0\0\0\0\x10", "latin1"), fields(post), Buffer.from("xxx")]),
        ),
        frame(type.data, flag.padded, 1, "\x02abxx"),
        frame(type.rstStream, 0, 1, uint32(8)),
      ],
    ],
    ["a GOAWAY from the client", [frame(type.goAway, 0, 0, uint32(0, 0))]],
    ["a table of no size", [frame(type.settings, 0, 0, setting(1, 0))]],
    ["a table of any size", [frame(type.settings, 0, 0, setting(1, 0xffffffff))]],
  ])("%s: the next request on the connection is served", async (_what, frames) => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main).greet().send(...frames, late);
    expect(await client.outcome(3)).toBe("status 200");
    await expectStillServing(stage);
  });

  test("everything in single bytes", async () => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main);
    const bytes = Buffer.concat([
      preface,
      frame(type.settings, 0, 0),
      open([], 1),
      frame(type.data, flag.padded | 1, 1, "\x02abxx"),
      late,
    ]);
    for (const byte of bytes) {
      client.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await client.outcome(1)).toBe("status 200");
    expect(await client.outcome(3)).toBe("status 200");
    expect(stage.whole).toEqual(["/bad", "/good"]);
  });

  test("what was under way when a stream was reset by us does not end the connection", async () => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main)
      .greet()
      .send(open([["content-length", "1"]]), frame(type.data, 0, 1, "ab"));
    expect(await client.outcome(1)).toBe("reset 1");
    client.send(frame(type.data, 0, 1, "cd"), frame(type.data, flag.endStream, 1, "ef"));
    client.send(frame(type.headers, whole, 1, fields([["x-t", "1"]])), late);
    expect(await client.outcome(3)).toBe("status 200");
    await expectStillServing(stage);
  });
});

describe("floods", () => {
  /** Writes until the connection is closed, or all is said; never more than the socket takes. */
  async function flood(client: RawHttp2, rounds: number, make: (round: number) => Buffer): Promise<void> {
    for (let round = 0; round < rounds && !client.isClosed; round++) {
      if (client.socket.write(make(round))) continue;
      await Promise.race([
        new Promise((resolve) => client.socket.once("drain", resolve)),
        client.waitForClose(),
      ]);
    }
  }

  test("rapid reset: a connection that opens and resets streams without end is ended", async () => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main).greet();
    await flood(client, 100, (round) =>
      Buffer.concat(
        Array.from({ length: 50 }, (_, index) => {
          const stream = 2 * (50 * round + index) + 1;
          return Buffer.concat([head(good, stream), frame(type.rstStream, 0, stream, uint32(8))]);
        }),
      ),
    );
    expect(await client.outcome(-1)).toBe("goaway 11");
    await client.waitForClose();
    expect(stage.whole.length).toBeLessThan(1500);
    stage.whole.length = 0;
    await expectStillServing(stage);
  });

  test.each<[string, (stream: number) => Buffer]>([
    ["increments of nothing", (stream) => frame(type.windowUpdate, 0, stream, uint32(0))],
    ["bodies that are too long", (stream) => frame(type.data, 0, stream, "ab")],
  ])("streams that we are made to reset by %s are counted, too", async (_what, provoke) => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main).greet();
    await flood(client, 2000, (round) =>
      Buffer.concat([open([["content-length", "1"]], 2 * round + 1), provoke(2 * round + 1)]),
    );
    expect(await client.outcome(-1)).toMatch(/^(goaway 11|reset)/);
    await client.waitForClose();
    await expectStillServing(stage);
  });

  test("streams beyond the limit are refused, and in the end the connection is ended", async () => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main).greet();
    await flood(client, 2000, (round) => open([], 2 * round + 1));
    expect(await client.outcome(501)).toBe("reset 7");
    await client.waitForClose();
    expect(stage.begun.length).toBeLessThanOrEqual(250);
    await expectStillServing(stage);
  });

  test.each<[string, Buffer]>([
    ["PING", frame(type.ping, 0, 0, "12345678")],
    ["SETTINGS", frame(type.settings, 0, 0)],
    ["PRIORITY", frame(type.priority, 0, 1, "\0\0\0\0\x10")],
    ["unknown frames", frame(0x42, 0, 0)],
  ])("%s without end", async (_what, bytes) => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main).greet();
    const many = Buffer.concat(Array(500).fill(bytes));
    await flood(client, 200, () => many);
    expect(await client.outcome(-1)).toMatch(/goaway 11|closed/);
    await expectStillServing(stage);
  });

  test("DATA without data, without end", async () => {
    const stage = await setStage();
    const client = new RawHttp2(stage.main).greet().send(open());
    const many = Buffer.concat(Array(500).fill(frame(type.data, 0, 1)));
    await flood(client, 200, () => many);
    expect(await client.outcome(-1)).toMatch(/goaway 11|closed/);
    await expectStillServing(stage);
  });

  test.each<[string, Buffer]>([
    ["of fields", fields([["x-flood", "y".repeat(100)]])],
    ["of nothing", Buffer.alloc(0)],
  ])("CONTINUATION %s without end", async (_what, payload) => {
    const stage = await setStage({ SLUICE_MAX_HEADER_BYTES: "65536" });
    const client = new RawHttp2(stage.main).greet().send(frame(type.headers, 1, 1, fields(good)));
    await flood(client, 5000, () => frame(type.continuation, 0, 1, payload));
    expect(await client.outcome(-1)).toMatch(/goaway 11|closed/);
    expect(stage.begun).toEqual([]);
    await expectStillServing(stage);
  });
});

describe("memory", () => {
  const mebibyte = 1024 * 1024;

  test("a bomb of fields that stand for large ones is 431, and costs nothing", async () => {
    const stage = await setStage({ SLUICE_MAX_HEADER_BYTES: "65536" });
    const large = Buffer.concat([Buffer.from([0x40]), text("x"), text("y".repeat(4000))]);
    // Number 62 is what was added last: 15,000 times 4,000 bytes.
    const block = Buffer.concat([fields(good), large, Buffer.alloc(15_000, 0x80 | 62)]);
    const client = new RawHttp2(stage.main).greet();
    const before = process.memoryUsage().heapUsed;
    for (let stream = 1; stream < 40; stream += 2) {
      client.send(frame(type.headers, flag.endStream, stream, block.subarray(0, 16_000)));
      client.send(frame(type.continuation, flag.endHeaders, stream, block.subarray(16_000)));
      expect(await client.outcome(stream)).toBe("status 431");
    }
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50 * mebibyte);
    expect(stage.begun).toEqual([]);
    await expectStillServing(stage);
  });

  test("answers that no window lets out wait in bounded memory, and go when their client does", async () => {
    const large = Buffer.alloc(4 * mebibyte);
    const closed: number[] = [];
    const app = await startHttp2App((stream, headers) => {
      stream.on("close", () => closed.push(stream.rstCode));
      stream.respond({ ":status": 200 });
      stream.end(headers[":path"] === "/good" ? "ok" : large);
    });
    const { ports } = await startTestSidecar(app.port);
    const client = new RawHttp2(ports.main).greet(setting(4, 0));
    for (let stream = 1; stream <= 200; stream += 2) client.send(head(good, stream));
    await until(() => client.frames.filter((each) => each.headers?.[":status"] === "200").length === 100);
    expect(await askStream(connectHttp2(ports.main), { ":path": "/good" })).toMatchObject({ body: "ok" });
    expect(client.frames.filter((each) => each.type === type.data && each.payload.length > 0)).toEqual([]);
    client.socket.destroy();
    // All of the app's streams are cancelled, so nothing of them is kept any more.
    await until(() => closed.filter((code) => code === 8).length === 100);
  });

  test.each<[string, string]>([
    ["waits for its turn", "1"],
    ["goes to an app that reads nothing", "0"],
  ])("a body that comes byte by byte and %s takes little more than its bytes", async (_what, concurrency) => {
    const app = await startHttp2App((stream) => stream.pause(), { initialWindowSize: 1000 });
    const { ports } = await startTestSidecar(app.port, { CONTAINER_CONCURRENCY: concurrency });
    const first = new RawHttp2(ports.main).greet().send(open());
    await until(() => app.sessions.size === 1);
    const client = new RawHttp2(ports.main).greet();
    const before = usedBytes();
    for (let stream = 1; stream < 8; stream += 2) {
      const bytes = Buffer.concat(Array.from({ length: 1000 }, () => frame(type.data, 0, stream, "x")));
      client.send(open([], stream));
      for (let sent = 0; sent < 250; sent++)
        if (!client.socket.write(bytes)) await once(client.socket, "drain");
    }
    client.send(frame(type.ping, 0, 0, "01234567"));
    await client.waitFor((each) => each.type === type.ping);
    // A million bytes, at some hundred for each Buffer.
    expect(usedBytes() - before).toBeLessThan(15 * mebibyte);
    expect([first.isClosed, client.isClosed]).toEqual([false, false]);
  });

  test("a client that asks on and on and reads no answer loses its connection", async () => {
    const app = await startHttp2App((stream) =>
      stream.respond({ ":status": 204, "x-large": "x".repeat(15_000) }, { endStream: true }),
    );
    const { ports } = await startTestSidecar(app.port);
    const client = new RawHttp2(ports.main).greet();
    client.socket.pause();
    // Bodies wait for windows; heads do not. What the two systems take is some 10 MiB.
    for (let asked = 0; asked < 4000; asked++) {
      client.send(head(good, 2 * asked + 1));
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.socket.resume();
    await client.waitForClose();
    expect(client.frames.length).toBeLessThan(4000);
  });

  test("an app waits for a client that opens every window and reads nothing", async () => {
    const piece = Buffer.alloc(64 * 1024);
    let sent = 0;
    const app = await startHttp2App((stream) => {
      stream.respond({ ":status": 200 });
      const send = (): void => {
        for (let mayGoOn = true; mayGoOn && sent < 200 * mebibyte; sent += piece.length)
          mayGoOn = stream.write(piece);
      };
      stream.on("drain", send);
      send();
    });
    const { ports } = await startTestSidecar(app.port);
    const client = new RawHttp2(ports.main).greet(setting(4, 0x7fff_ffff));
    client.socket.pause();
    client.send(frame(type.windowUpdate, 0, 0, uint32(0x7fff_0000)), head(good));
    await untilStill(() => sent);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(50 * mebibyte);
  });
});

describe("slow ones", () => {
  test.each<[string, Buffer]>([
    ["half a preface", preface.subarray(0, 12)],
    ["a preface and no SETTINGS", preface],
    ["half a frame", Buffer.concat([preface, frame(type.settings, 0, 0), head(good).subarray(0, 20)])],
    [
      "a head that does not come to its end",
      Buffer.concat([preface, frame(type.settings, 0, 0), frame(type.headers, 1, 1, fields(good))]),
    ],
  ])("%s: the connection is closed", async (_what, bytes) => {
    const stage = await setStage({ SLUICE_HEADER_TIMEOUT: "100ms" });
    const client = new RawHttp2(stage.main).send(bytes);
    await client.waitForClose();
    expect(stage.begun).toEqual([]);
    await expectStillServing(stage);
  });

  test("a body that does not come to its end is a 504 at the request's limit, and its slot is free again", async () => {
    const stage = await setStage({ REVISION_TIMEOUT_SECONDS: "0.2", CONTAINER_CONCURRENCY: "1" });
    const client = new RawHttp2(stage.main).greet().send(open(), frame(type.data, 0, 1, "abc"));
    expect(await client.outcome(1)).toBe("status 504");
    await expectStillServing(stage);
  });

  test("an answer that nobody takes is given up, and its stream's place is free", async () => {
    const app = await startHttp2App((stream) => {
      stream.respond({ ":status": 200 });
      stream.end("nobody wants this");
    });
    const { ports } = await startTestSidecar(app.port, { SLUICE_HEADER_TIMEOUT: "50ms" });
    const client = new RawHttp2(ports.main).greet(setting(4, 0)).send(head(good));
    expect(await client.outcome(1)).toBe("status 200");
    expect(await client.waitFor((each) => each.type === type.rstStream)).toMatchObject({ stream: 1 });
  });

  test("idle connections stay open", async () => {
    const stage = await setStage({ SLUICE_HEADER_TIMEOUT: "50ms" });
    const client = new RawHttp2(stage.main).greet();
    // Some other connection's silence ends several times meanwhile.
    for (let round = 0; round < 4; round++) await new RawHttp2(stage.main).send(preface).waitForClose();
    client.send(head([method, scheme, [":path", "/good"], authority]));
    expect(await client.outcome(1)).toBe("status 200");
  });
});
