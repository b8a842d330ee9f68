/**
 * Opens many connections with one HTTP/1.1 request each, then many HTTP/2 streams on few connections, numbered from 0 on in the
 * path; says how many were written, and at the end how each was answered.
 * usage: held-clients.ts PORT CONNECTIONS STREAMS HOST
 */
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect } from "node:net";

const [port = 0, connections = 0, streams = 0] = process.argv.slice(2, 5).map(Number);
const host = process.argv[5] ?? "";
const count = connections + streams;
const streamsPerConnection = 100;
const statuses = new Map<string, number>();
const sessions: ClientHttp2Session[] = [];
let written = 0;
let ended = 0;

function say(fields: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(fields)}\n`);
}

function finish(status: string): void {
  statuses.set(status, (statuses.get(status) ?? 0) + 1);
  if (++ended < count) return;
  say({ statuses: Object.fromEntries(statuses), endedAtMs: Date.now() });
  for (const session of sessions) session.destroy();
}

function wrote(): void {
  if (++written === connections) openStreams();
  if (written === count) say({ written });
}

let opened = 0;

/** In order, and no more at once than a listener's backlog takes. */
function openNext(): void {
  if (opened >= connections) return;
  const index = opened++;
  // Several source addresses: one has fewer ports than there are clients.
  const localAddress = `127.0.0.${2 + (index % 8)}`;
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  let isOver = false;
  const end = (status: string): void => {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    finish(status);
  };
  socket.once("connect", () => {
    socket.write(`GET /${index} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, () => {
      wrote();
      openNext();
    });
  });
  socket.once("data", (bytes: Buffer) => end(bytes.toString("latin1", 9, 12)));
  socket.once("error", (error) => end(error.message));
  socket.once("close", () => end("closed"));
}

/** One connection after the other: its answer to a ping says that the server has seen all of its streams. */
function openStreams(first = connections): void {
  if (first >= count) return;
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", (error) => process.stderr.write(`${error.message}\n`));
  sessions.push(session);
  const end = Math.min(count, first + streamsPerConnection);
  for (let index = first; index < end; index++) {
    const stream = session.request({ ":path": `/${index}`, ":authority": host });
    stream.once("ready", wrote);
    stream.once("response", (headers) => finish(String(headers[":status"])));
    stream.once("error", (error) => finish(error.message));
    stream.resume();
  }
  session.once("connect", () => session.ping(() => openStreams(end)));
}

const width = 64;
for (let index = 0; index < width; index++) openNext();
