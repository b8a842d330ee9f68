/**
 * Opens many connections with one request each, says how many were written, and at the end how each was answered.
 * usage: held-clients.ts PORT COUNT HOST
 */
import { connect } from "node:net";

const [port = 0, count = 0] = process.argv.slice(2, 4).map(Number);
const host = process.argv[4] ?? "";
const statuses = new Map<string, number>();
let written = 0;
let ended = 0;

function say(fields: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(fields)}\n`);
}

function finish(status: string): void {
  statuses.set(status, (statuses.get(status) ?? 0) + 1);
  if (++ended === count) say({ statuses: Object.fromEntries(statuses), endedAtMs: Date.now() });
}

/** In order, and no more at once than a listener's backlog takes. */
function open(index: number): void {
  if (index >= count) return;
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
      if (++written === count) say({ written });
      open(index + width);
    });
  });
  socket.once("data", (bytes: Buffer) => end(bytes.toString("latin1", 9, 12)));
  socket.once("error", (error) => end(error.message));
  socket.once("close", () => end("closed"));
}

const width = 64;
for (let index = 0; index < Math.min(width, count); index++) open(index);
