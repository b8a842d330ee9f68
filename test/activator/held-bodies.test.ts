import { once } from "node:events";
import { connect as connectHttp2, type ClientHttp2Stream } from "node:http2";
import { connect, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { Harness } from "./support/activator-harness.ts";
import { echo } from "./support/fake-pod.ts";

const host = "hello.default.example.com";
const heldBytes = "sluice_activator_held_bytes";

/** A client that sends its body in chunks, when it is told to. */
function openChunked(harness: Harness): Socket {
  const socket = connect(harness.activator.publicPort, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  onTestFinished(() => void socket.destroy());
  socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n`);
  return socket;
}

function sendChunk(socket: Socket, text: string): void {
  socket.write(`${text.length.toString(16)}\r\n${text}\r\n`);
}

function openStreams(harness: Harness, count: number): ClientHttp2Stream[] {
  const session = connectHttp2(`http://127.0.0.1:${harness.activator.publicPort}`);
  session.on("error", () => session.destroy());
  onTestFinished(() => session.destroy());
  return Array.from({ length: count }, () => {
    const stream = session.request({
      ":method": "POST",
      ":authority": host,
      "content-type": "application/grpc",
    });
    stream.on("error", () => undefined);
    return stream;
  });
}

describe("a body of unknown length weighs what has come of it", () => {
  test("over HTTP/1.1: it grows, arrives whole, and weighs nothing afterwards", async () => {
    await using harness = await Harness.start();
    const socket = openChunked(harness);
    await harness.untilHeld(1);
    const head = await harness.metric(heldBytes);
    expect(head).toBeLessThan(1000);
    sendChunk(socket, "a".repeat(10_000));
    await harness.untilMetric(heldBytes, (bytes) => bytes === head + 10_000);
    sendChunk(socket, "b".repeat(20_000));
    await harness.untilMetric(heldBytes, (bytes) => bytes === head + 30_000);
    await harness.addPod("a", echo);
    await harness.untilHeld(0);
    expect(await harness.metric(heldBytes)).toBe(0);
    socket.write("3\r\nend\r\n0\r\n\r\n");
    let text = "";
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.endsWith("}")) break;
    }
    expect(text).toContain(`"body":"${"a".repeat(10_000)}${"b".repeat(20_000)}end"`);
  });

  test("beyond what is kept it weighs all that may lie here, and still arrives whole", async () => {
    await using harness = await Harness.start();
    const socket = openChunked(harness);
    await harness.untilHeld(1);
    const body = "0123456789abcdef".repeat(100_000);
    sendChunk(socket, body);
    socket.write("0\r\n\r\n");
    await harness.untilMetric(heldBytes, (bytes) => bytes > 100_000);
    expect(await harness.metric(heldBytes)).toBeLessThan(132_000);
    await harness.addPod("a", echo);
    let text = "";
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.endsWith("}")) break;
    }
    expect(text).toContain(body);
  });

  test("over HTTP/2: a thousand small calls are held within 1 MiB", async () => {
    await using harness = await Harness.start({
      settings: { SLUICE_MAX_HELD_BYTES_PER_REVISION: String(1024 * 1024) },
    });
    const streams = Array.from({ length: 5 }, () => openStreams(harness, 200)).flat();
    const statuses = streams.map(async (stream) => {
      stream.end("hello");
      const [headers] = (await once(stream, "response")) as [Record<string, number>];
      return headers[":status"];
    });
    await harness.untilHeld(1000);
    await harness.untilMetric(heldBytes, (bytes) => bytes > 5000);
    await harness.addPod("a", echo);
    expect(await Promise.all(statuses)).toEqual(Array(1000).fill(200));
  });

  test("who breaks a bound with more of a body hears which; who came before and after is held", async () => {
    await using harness = await Harness.start({ settings: { SLUICE_MAX_HELD_BYTES_PER_REVISION: "50000" } });
    const first = openChunked(harness);
    sendChunk(first, "a".repeat(20_000));
    await harness.untilMetric(heldBytes, (bytes) => bytes > 20_000);
    const second = openChunked(harness);
    sendChunk(second, "b".repeat(40_000));
    const [answer] = (await once(second, "data")) as [Buffer];
    expect(answer.toString()).toMatch(
      /^HTTP\/1\.1 503 [^]*retry-after: 1\r\n[^]*requests that wait for this revision take too much memory/i,
    );
    const third = harness.call();
    await harness.untilHeld(2);
    await harness.addPod("a", echo);
    expect((await third).status).toBe(200);
  });
});
