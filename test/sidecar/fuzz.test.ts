import { connect } from "node:net";
import { expect, test } from "vitest";
import { startApp, startTestSidecar } from "../support/sidecar-harness.ts";

/** Numbers that look like chance and are the same each time (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

interface Parsed {
  readonly request: Seen;
  /** What follows it on the connection. */
  readonly rest: string;
}

/**
 * The strict parser in front: what the bytes say when every server would read them alike, or undefined when any might differ.
 * Deliberately written without looking at Node's.
 */
function parseStrictly(bytes: string): Parsed | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const [line = "", ...fields] = bytes.slice(0, end).split("\r\n");
  const request = /^([A-Z]+) (\/[\x21-\x22\x24-\x7e]*) HTTP\/1\.1$/.exec(line);
  if (request === null || fields.some((field) => !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*$/.test(field)))
    return undefined;
  const values = (name: string): string[] =>
    fields
      .filter((field) => field.toLowerCase().startsWith(`${name}:`))
      .map((field) => field.slice(name.length + 1).trim());
  if (values("host").length !== 1) return undefined;
  const lengths = values("content-length");
  const codings = values("transfer-encoding");
  if (lengths.length + codings.length > 1) return undefined;
  const rest = bytes.slice(end + 4);
  const body =
    codings.length === 1 ? parseChunks(codings[0] ?? "", rest) : takeLength(lengths[0] ?? "0", rest);
  if (body === undefined) return undefined;
  return { request: { method: request[1] ?? "", path: request[2] ?? "", body: body.text }, rest: body.rest };
}

interface Body {
  readonly text: string;
  readonly rest: string;
}

function takeLength(length: string, rest: string): Body | undefined {
  const size = Number(length);
  if (!/^\d{1,6}$/.test(length) || rest.length < size) return undefined;
  return { text: rest.slice(0, size), rest: rest.slice(size) };
}

function parseChunks(coding: string, rest: string): Body | undefined {
  if (coding.toLowerCase() !== "chunked") return undefined;
  let body = "";
  let left = rest;
  for (;;) {
    const head = /^([0-9a-fA-F]{1,6})\r\n/.exec(left);
    if (head === null) return undefined;
    const size = Number.parseInt(head[1] ?? "", 16);
    left = left.slice(head[0].length);
    if (left.slice(size, size + 2) !== "\r\n") return undefined;
    if (size === 0) return { text: body, rest: left.slice(2) };
    body += left.slice(0, size);
    left = left.slice(size + 2);
  }
}

/**
 * The first thing that the app saw and should not have, or undefined. The app may see less than the strict parser reads, since we refuse
 * more, but never something else; where the strict parser gives up, a reading that is no danger is let pass.
 */
function findDifference(bytes: string, seen: readonly Seen[]): Seen | undefined {
  let left = bytes;
  for (const each of seen) {
    const parsed = parseStrictly(left);
    if (parsed === undefined) return isSame(each, toLenient(left)) ? undefined : each;
    if (!isSame(each, [parsed.request])) return each;
    left = parsed.rest;
  }
  return undefined;
}

function isSame(seen: Seen, readings: readonly Seen[]): boolean {
  return readings.some(
    ({ method, path, body }) => method === seen.method && path === seen.path && body === seen.body,
  );
}

const seeds = [
  "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
  "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  "PUT /d?e=f HTTP/1.1\r\nHost: a:80\r\nX-One: 1\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
] as const;

const splices = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "0",
  "5",
  "a",
  "\x0b",
  "\x7f",
  "\xff",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "Host: b\r\n",
  " HTTP/1.1",
  "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
];

function pick<T>(random: () => number, list: readonly T[]): T {
  const item = list[Math.floor(random() * list.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

/** One to three cuts, doublings, swaps of case or splices somewhere in the bytes. */
function mutate(random: () => number, seed: string): string {
  let bytes = seed;
  for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
    const at = Math.floor(random() * bytes.length);
    const length = 1 + Math.floor(random() * 4);
    const kind = Math.floor(random() * 4);
    if (kind === 0) bytes = bytes.slice(0, at) + bytes.slice(at + length);
    else if (kind === 1) bytes = bytes.slice(0, at + length) + bytes.slice(at);
    else bytes = bytes.slice(0, at) + pick(random, splices) + bytes.slice(at + (kind === 2 ? 0 : length));
  }
  return bytes;
}

/** Sends the bytes, says that nothing more comes, and waits until the sidecar has closed. */
function send(port: number, bytes: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => socket.destroy()).on("close", () => resolve());
    socket.resume().end(bytes, "latin1");
  });
}

test("500 mutated requests: what the app saw is what a strict parser reads, or nothing whole", async () => {
  const seed = Number(process.env["FUZZ_SEED"] ?? 20261123);
  const random = createRandom(seed);
  const seen: Seen[] = [];
  const app = await startApp((request, response) => {
    let body = "";
    request.setEncoding("latin1").on("data", (text: string) => (body += text));
    request.on("error", () => undefined);
    request.on("end", () => {
      seen.push({ method: request.method ?? "", path: request.url ?? "", body });
      response.end("ok");
    });
  });
  const { ports } = await startTestSidecar(app.port);
  let understood = 0;
  for (let round = 0; round < 500; round++) {
    const bytes = mutate(random, pick(random, seeds));
    seen.length = 0;
    await send(ports.main, bytes);
    if (parseStrictly(bytes) !== undefined) understood++;
    const difference = findDifference(bytes, seen);
    // The first difference ends the run, with all that is needed to repeat it.
    expect({ seed, round, bytes, difference }).toEqual({ seed, round, bytes, difference: undefined });
  }
  expect(understood).toBeGreaterThan(50);
});

/**
 * Readings that the strict parser above does not attempt and that are no danger: other methods and targets, header bytes beyond ASCII,
 * blanks around values, trailers. Whatever it is, method and path stand in the first line, and the body in the bytes.
 */
function toLenient(bytes: string): Seen[] {
  const line = bytes.replace(/^(\r?\n)+/, "").split("\r\n")[0] ?? "";
  const [method = "", target = ""] = line.split(/ +/);
  const path = target.replace(/^http:\/\/[^/]*/, "");
  const end = bytes.indexOf("\r\n\r\n");
  const rest = bytes.slice(end + 4);
  const bodies = [
    parseChunksLeniently(rest),
    ...Array.from({ length: rest.length + 1 }, (_, length) => rest.slice(0, length)),
  ];
  return bodies.filter((body) => body !== undefined).map((body) => ({ method, path, body }));
}

/** As above, with extensions and trailers. */
function parseChunksLeniently(rest: string): string | undefined {
  let body = "";
  let left = rest;
  for (;;) {
    const head = /^([0-9a-fA-F]{1,6})[\t ]*(?:;[^\r\n]*)?\r\n/.exec(left);
    if (head === null) return undefined;
    const size = Number.parseInt(head[1] ?? "", 16);
    left = left.slice(head[0].length);
    if (size === 0) return body;
    if (left.slice(size, size + 2) !== "\r\n") return undefined;
    body += left.slice(0, size);
    left = left.slice(size + 2);
  }
}
