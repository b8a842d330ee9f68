import { ResponseParser, type ResponseConsumer } from "../../packages/dataplane/src/response-parser.ts";
import { describe, expect, test } from "vitest";

/** Writes down what a parser says, one line an event. */
class Recorder implements ResponseConsumer {
  readonly events: string[] = [];
  #body = "";

  onInformation(head: { status: number; headers: string[] }): void {
    this.events.push(`information ${head.status} ${head.headers.join("|")}`);
  }

  onHead(head: { status: number; reason: string; headers: string[] }): void {
    this.events.push(`head ${head.status} ${head.reason} ${head.headers.join("|")}`);
  }

  onData(piece: Buffer): void {
    this.#body += piece.toString("latin1");
  }

  onComplete(trailers: string[] | undefined, mayReuse: boolean): void {
    this.events.push(`body ${this.#body}`, `complete ${trailers?.join("|") ?? ""} ${mayReuse}`);
    this.#body = "";
  }
}

/** Feeds `text` in pieces of `size` bytes, as one connection would, and says what was understood. */
function read(text: string, { size = text.length, isBodiless = false, isClosed = false } = {}): string[] {
  const recorder = new Recorder();
  const parser = new ResponseParser(recorder, 4096);
  parser.begin(isBodiless);
  for (let start = 0; start < text.length; start += size) {
    const piece = Buffer.from(text.slice(start, start + size), "latin1");
    parser.execute(piece, piece.length);
  }
  if (isClosed) recorder.events.push(`closed ${parser.finish()}`);
  return recorder.events;
}

const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

describe("a response in any number of pieces", () => {
  test.each<[string, string, string[]]>([
    [
      "with a length",
      "HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 5\r\n\r\nhello",
      ["head 200 OK Server|a|Content-Length|5", "body hello", "complete  true"],
    ],
    ["with no body", "HTTP/1.1 204 No Content\r\n\r\n", ["head 204 No Content ", "body ", "complete  true"]],
    [
      "with an interim answer before it",
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 304 \r\n\r\n",
      ["information 103 Link|</a>", "head 304  ", "body ", "complete  true"],
    ],
    [
      "with an interim answer that tells a length, which is none of its own",
      "HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 \r\n\r\n",
      ["information 103 ", "head 204  ", "body ", "complete  true"],
    ],
    [
      "of HTTP/1.0 in chunks, whose connection is not kept",
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ["head 200 OK ", "body ", "complete  false"],
    ],
    [
      "in chunks, with extensions and trailers",
      `${chunked}3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n`,
      ["head 200 OK ", "body abc0123456789", "complete X-Sum|1|X-More|2 true"],
    ],
    ["in no chunk at all", `${chunked}0\r\n\r\n`, ["head 200 OK ", "body ", "complete  true"]],
    [
      "whose connection ends with it",
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
      ["head 200 OK Content-Length|1", "body a", "complete  false"],
    ],
    [
      "of HTTP/1.0, whose connection is kept",
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
      ["head 200 OK Content-Length|1", "body a", "complete  true"],
    ],
    [
      "that names a header for us alone",
      "HTTP/1.1 200 OK\r\nX-Own: 1\r\nConnection: X-Own\r\nContent-Length: 1\r\n\r\na",
      ["head 200 OK Content-Length|1", "body a", "complete  true"],
    ],
    [
      "with one length twice",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
      ["head 200 OK Content-Length|1", "body a", "complete  true"],
    ],
  ])("%s", (_what, text, expected) => {
    for (let size = 1; size <= text.length; size++) expect(read(text, { size })).toEqual(expected);
  });

  test("without a length ends with the connection", () => {
    const text = "HTTP/1.1 200 OK\r\n\r\nall of it";
    expect(read(text, { size: 3, isClosed: true })).toEqual([
      "head 200 OK ",
      "body all of it",
      "complete  false",
      "closed true",
    ]);
  });

  test.each(["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", `${chunked}5\r\nhello\r\n`, "HTTP/1.1 200"])(
    "is not whole when the connection ends early: %j",
    (text) => {
      expect(read(text, { isClosed: true }).at(-1)).toBe("closed false");
    },
  );

  test("to HEAD has no body whatever it says", () => {
    expect(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", { isBodiless: true })).toEqual([
      "head 200 OK Content-Length|5",
      "body ",
      "complete  true",
    ]);
  });
});

describe("what could be read in two ways is refused", () => {
  test.each([
    ["a folded header", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"],
    ["a blank before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n"],
    ["a bare line feed", "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello"],
    ["a bare line feed in a header", "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5\r\n\r\nhello"],
    ["a bare carriage return", "HTTP/1.1 200 OK\r\nA: b\rContent-Length: 5\r\n\r\n"],
    ["NUL", "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n"],
    ["a header without a name", "HTTP/1.1 200 OK\r\n: b\r\n\r\n"],
    ["a header without a colon", "HTTP/1.1 200 OK\r\nabc\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
    ["a length and chunks", `${chunked.slice(0, -2)}Content-Length: 2\r\n\r\n`],
    ["a signed length", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n"],
    ["a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n"],
    ["an endless length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"],
    ["another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
    ["chunked twice", `${chunked.slice(0, -2)}Transfer-Encoding: chunked\r\n\r\n`],
    ["another version", "HTTP/2.0 200 OK\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
    ["a status below 100", "HTTP/1.1 099 OK\r\n\r\n"],
    ["an upgrade that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n"],
    ["a chunk without a size", `${chunked}\r\nabc`],
    ["a signed chunk", `${chunked}-3\r\nabc`],
    ["a chunk of too many digits", `${chunked}0000000000003\r\nabc`],
    ["a chunk that is longer than its size", `${chunked}3\r\nabcd\r\n0\r\n\r\n`],
    ["a bare line feed behind a chunk's size", `${chunked}3\nabc\r\n0\r\n\r\n`],
    ["a line feed in a chunk's extension", `${chunked}3;a\nabc\r\n0\r\n\r\n`],
    ["a broken trailer", `${chunked}0\r\nabc\r\n\r\n`],
    ["an endless head", `HTTP/1.1 200 OK\r\nA: ${"a".repeat(5000)}`],
    ["an endless extension", `${chunked}3;${"a".repeat(5000)}`],
    ["endless trailers", `${chunked}0\r\nA: ${"a".repeat(20_000)}`],
  ])("%s", (_what, text) => {
    expect(() => read(text)).toThrow(/./);
    expect(() => read(text, { size: 1 })).toThrow(/./);
  });

  test("bytes behind a response keep the connection from being used again", () => {
    expect(read("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n").at(-1)).toBe(
      "complete  false",
    );
    expect(() => read("HTTP/1.1 204 x\r\n\r\nHTTP", { size: 18 })).toThrow(/nobody asked for/);
  });
});
