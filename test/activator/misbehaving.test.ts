import { connect as connectHttp2 } from "node:http2";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { onTestFinished, expect, test } from "vitest";
import { startTestSidecar } from "../support/sidecar-harness.ts";
import { Harness } from "./support/activator-harness.ts";
import { makePod, makeRevision, makeService } from "./support/feed-objects.ts";

const host = "hello.default.example.com";
const slots = 4;
const clients = 24;
const callsPerClient = 25;

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the app says to a request, which nobody else's answer has in it: its id, over and over. */
function toBody(id: string, length: number): string {
  return `<${id}>`.repeat(Math.ceil(length / (id.length + 2)));
}

const manners = [
  "length",
  "length",
  "chunks",
  "chunks",
  "until close",
  "hints",
  "early",
  "cut",
  "reset",
  "more behind",
  "closes unsaid",
  "no HTTP",
  "head with a body",
  "never",
] as const;

interface Told {
  readonly id: string;
  readonly manner: (typeof manners)[number];
  readonly length: number;
}

/** The path tells the app how to behave. */
function toPath({ id, manner, length }: Told): string {
  return `/${id}/${encodeURIComponent(manner)}/${length}`;
}

function readPath(head: string): Told | undefined {
  const match = /^[A-Z]+ \/([^/]+)\/([^/]+)\/(\d+) /.exec(head);
  const manner = manners.find((each) => each === decodeURIComponent(match?.[2] ?? ""));
  return manner === undefined ? undefined : { id: match?.[1] ?? "", manner, length: Number(match?.[3]) };
}

/** An app without manners. It answers when it has the head, and takes what follows for the body that it does not read. */
class BadApp {
  port = 0;
  /** How often each request has come, by method and id. */
  readonly seen = new Map<string, number>();
  /** Those that are answered only when there are as many as there are slots. */
  readonly #together: Socket[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server = createServer((socket) => this.#serve(socket));

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.port = (this.#server.address() as AddressInfo).port;
    onTestFinished(() => {
      for (const socket of this.sockets) socket.destroy();
      this.#server.close();
    });
  }

  #serve(socket: Socket): void {
    this.sockets.add(socket);
    let text = "";
    socket.on("error", () => socket.destroy()).on("close", () => this.sockets.delete(socket));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      for (let next = takeRequest(text); next !== undefined; next = takeRequest(text)) {
        text = next.rest;
        this.#answer(socket, next.head);
      }
    });
  }

  #answer(socket: Socket, head: string): void {
    const told = readPath(head);
    if (told === undefined) {
      if (this.#together.push(socket) < slots) return;
      for (const each of this.#together.splice(0))
        each.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      return;
    }
    const key = `${head.slice(0, head.indexOf(" "))} ${told.id}`;
    this.seen.set(key, (this.seen.get(key) ?? 0) + 1);
    const body = toBody(told.id, told.length);
    const length = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`;
    const isHead = head.startsWith("HEAD ");
    const half = Math.floor(body.length / 2);
    const parts: Record<Told["manner"], string> = {
      length: length + (isHead ? "" : body),
      chunks: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${isHead ? "" : toChunks(body)}`,
      "until close": `HTTP/1.0 200 OK\r\n\r\n${isHead ? "" : body}`,
      hints: `HTTP/1.1 103 Early\r\nLink: <${told.id}>\r\n\r\n${length}${isHead ? "" : body}`,
      early: length + (isHead ? "" : body),
      cut: length + body.slice(0, half),
      reset: length.slice(0, 20),
      "more behind": `${length}${isHead ? "" : body}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`,
      "closes unsaid": length + (isHead ? "" : body),
      "no HTTP": `evil\r\n\r\n${length}`,
      "head with a body": length + body,
      never: "",
    };
    socket.write(parts[told.manner], "latin1");
    if (["until close", "cut", "closes unsaid"].includes(told.manner)) socket.end();
    if (told.manner === "reset") socket.resetAndDestroy();
    if (told.manner === "never") setTimeout(() => socket.destroy(), 200);
  }
}

function toChunks(body: string): string {
  const middle = Math.floor(body.length / 3);
  const pieces = [body.slice(0, middle), body.slice(middle)].filter((piece) => piece !== "");
  return `${pieces.map((piece) => `${piece.length.toString(16)};x\r\n${piece}\r\n`).join("")}0\r\nX-T: 1\r\n\r\n`;
}

/** The first request in `text`, once it is whole. "early" does not wait for its body. */
function takeRequest(text: string): { head: string; rest: string } | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const head = text.slice(0, end + 2);
  const rest = text.slice(end + 4);
  if (/\r\ntransfer-encoding: chunked/i.test(head)) {
    const last = /(?:^|\r\n)0\r\n\r\n/.exec(rest);
    return last === null ? undefined : { head, rest: rest.slice(last.index + last[0].length) };
  }
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
  return rest.length < length ? undefined : { head, rest: rest.slice(length) };
}

interface Seen {
  readonly status: number;
  readonly body: string;
  readonly isWhole: boolean;
}

/** One call over HTTP/1.1 that may leave at any moment. */
function callHttp1(port: number, told: Told, random: () => number): Promise<Seen> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    const method = random() < 0.1 ? "HEAD" : random() < 0.5 ? "POST" : "GET";
    const sent = method === "POST" ? Math.floor(random() * 100_000) : 0;
    const finish = (): void => resolve(readAnswer(text, method === "HEAD"));
    socket.on("data", (chunk) => (text += chunk.toString("latin1"))).on("error", () => socket.destroy());
    socket.on("close", finish).setNoDelay();
    const length = method === "POST" ? `Content-Length: ${sent}\r\n` : "";
    socket.write(`${method} ${toPath(told)} HTTP/1.1\r\nHost: ${host}\r\n${length}Connection: close\r\n\r\n`);
    const isBroken = random() < 0.1;
    socket.write("b".repeat(isBroken ? Math.floor(sent / 2) : sent));
    if (random() < 0.3) {
      socket.pause();
      setTimeout(() => socket.resume(), 20);
    }
    if (isBroken || random() < 0.15) setTimeout(() => socket.resetAndDestroy(), Math.floor(random() * 30));
  });
}

function readAnswer(text: string, isHead: boolean): Seen {
  const final = text.replace(/^(?:HTTP\/1.1 1\d\d [^]*?\r\n\r\n)+/, "");
  const status = Number(/^HTTP\/1.1 (\d{3}) /.exec(final)?.[1] ?? 0);
  const end = final.indexOf("\r\n\r\n");
  const head = final.slice(0, end);
  const raw = end === -1 ? "" : final.slice(end + 4);
  if (isHead) return { status, body: raw, isWhole: false };
  if (!/transfer-encoding: chunked/i.test(head)) {
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? -1);
    return { status, body: raw, isWhole: raw.length === length };
  }
  let body = "";
  for (let rest = raw; ;) {
    const line = /^([0-9a-f]+)\r\n/.exec(rest);
    if (line === null) return { status, body, isWhole: false };
    const size = Number.parseInt(line[1] ?? "", 16);
    if (size === 0) return { status, body, isWhole: true };
    body += rest.slice(line[0].length, line[0].length + size);
    rest = rest.slice(line[0].length + size + 2);
  }
}

/** One call over HTTP/2, with a window of any size, that may be reset at any moment. */
function callHttp2(port: number, told: Told, random: () => number): Promise<Seen> {
  return new Promise((resolve) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`, {
      settings: { initialWindowSize: Math.floor(random() * 50_000) + 1 },
    });
    session.on("error", () => undefined);
    const hasBody = random() < 0.5;
    const stream = session.request(
      { ":authority": host, ":path": toPath(told), ":method": hasBody ? "POST" : "GET" },
      { endStream: !hasBody },
    );
    let [status, body, isWhole] = [0, "", false];
    stream.on("response", (headers) => (status = headers[":status"] ?? 0));
    stream.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")));
    stream.on("end", () => (isWhole = stream.rstCode === 0)).on("error", () => undefined);
    stream.on("close", () => {
      session.destroy();
      resolve({ status, body, isWhole: isWhole && stream.rstCode === 0 });
    });
    if (hasBody) stream.write("b".repeat(Math.floor(random() * 100_000)));
    if (hasBody && random() < 0.8) stream.end();
    else if (hasBody) setTimeout(() => stream.close(8), 20);
    if (random() < 0.15) setTimeout(() => stream.close(8), Math.floor(random() * 30));
  });
}

test("an app without manners and clients who leave: every answer is the request's own, and everything is given back", async () => {
  const app = new BadApp();
  await app.listen();
  const { ports } = await startTestSidecar(app.port, { CONTAINER_CONCURRENCY: String(slots) });
  const pod = makePod({ ports: { main: ports.main, stats: 9090, metrics: 9091, admin: ports.admin } });
  const revision = makeRevision({ containerConcurrency: slots });
  await using harness = await Harness.start({ objects: [revision, makeService(), pod] });
  const problems: string[] = [];
  const run = async (client: number): Promise<void> => {
    const random = createRandom(20261126 + client);
    for (let count = 0; count < callsPerClient; count++) {
      const manner = manners[Math.floor(random() * manners.length)] ?? "length";
      const told = { id: `${client}-${count}`, manner, length: Math.floor(random() ** 3 * 200_000) };
      const call = random() < 0.5 ? callHttp1 : callHttp2;
      const seen = await call(harness.activator.publicPort, told, random);
      const body = toBody(told.id, told.length);
      const isOwn = seen.isWhole ? seen.body === body : body.startsWith(seen.body);
      if (seen.status === 200 && !isOwn)
        problems.push(`${JSON.stringify(told)} got ${seen.body.slice(0, 80)}`);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => run(client)));
  expect(problems).toEqual([]);
  // What must not be done twice was not sent twice, and nothing more often.
  const isTooOften = (key: string, times: number): boolean => times > (key.startsWith("POST ") ? 1 : 2);
  expect([...app.seen].filter(([key, times]) => isTooOften(key, times))).toEqual([]);
  expect(app.seen.size).toBeGreaterThan((clients * callsPerClient) / 2);
  await harness.untilMetric("sluice_activator_held_requests", (held) => held === 0);
  await harness.untilMetric("sluice_activator_inside_requests", (inside) => inside === 0);
  // All slots of both are free again: the app answers only when as many as there are have come to it.
  const waiting = Array.from({ length: slots }, () => harness.call({ path: "/ok" }));
  for (const answer of await Promise.all(waiting)) expect(answer).toMatchObject({ status: 200, body: "ok" });
});
