import { connect, createServer, type ClientHttp2Session, type Http2Server } from "node:http2";
import { describe, expect, onTestFinished, test } from "vitest";
import { kubelet, openServer, startInProcess } from "../support/in-process-harness.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { readMetric, until, untilMetric } from "../support/sidecar-harness.ts";

type Listener = Parameters<typeof createServer>[1];
type Request = Parameters<NonNullable<Listener>>[0];
type Response = Parameters<NonNullable<Listener>>[1];

async function open(server: Http2Server): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${await openServer(server)}`);
  onTestFinished(() => session.destroy());
  return session;
}

interface Reply {
  readonly status: number | undefined;
  readonly body: string;
  readonly rstCode: number;
}

function ask(session: ClientHttp2Session, headers: Record<string, string>, body?: string): Promise<Reply> {
  return new Promise((resolve) => {
    const stream = session.request(headers, { endStream: body === undefined });
    let status: number | undefined;
    let received = "";
    stream
      .setEncoding("utf8")
      .on("response", (head) => (status = head[":status"]))
      .on("data", (text: string) => (received += text))
      .on("error", () => undefined)
      .on("close", () => resolve({ status, body: received, rstCode: stream.rstCode ?? 0 }));
    if (body !== undefined) stream.end(body);
  });
}

function createHolding(): { held: Response[]; handler: (request: Request, response: Response) => void } {
  const held: Response[] = [];
  return { held, handler: (_request, response) => void held.push(response) };
}

const count = "http_server_request_duration_seconds_count";

describe("the sidecar before an app's HTTP/2 server", () => {
  test("limits, probes, hosts and bodies, as over HTTP/1.1", async () => {
    const { sidecar, ports } = await startInProcess({ containerConcurrency: 5 });
    const server = createServer((request, response) => {
      request.on("data", () => undefined).on("end", () => response.end(`h2 for ${request.authority}`));
    });
    sidecar.attach(server);
    const session = await open(server);
    expect(await ask(session, { ":path": "/healthz", ...kubelet })).toMatchObject({
      status: 200,
      body: "queue",
    });
    const reply = await ask(session, { ":method": "POST", "k-original-host": "a.example" }, "12345");
    expect(reply).toMatchObject({ status: 200, body: "h2 for a.example" });
    const labels = '{http_response_status_code="200",network_protocol_version="2.0"}';
    await untilMetric(ports.metrics, `${count}${labels}`, 1);
    expect(await readMetric(ports.metrics, `http_server_request_body_size_bytes_sum${labels}`)).toBe(5);
    expect(await readMetric(ports.metrics, `http_server_response_body_size_bytes_sum${labels}`)).toBe(16);
  });

  test("a time limit: 504, and what the app does later harms nobody; after the start the text, or a reset", async () => {
    const clock = new ManualClock();
    const { sidecar } = await startInProcess({ requestTimeoutMs: 1000, clock });
    const { held, handler } = createHolding();
    const server = createServer(handler);
    sidecar.attach(server);
    const session = await open(server);
    const replies = ["/silent", "/begun", "/declared"].map((path) => ask(session, { ":path": path }));
    await until(() => held.length === 3);
    const [silent, begun, declared] = held;
    begun?.write("begun");
    declared?.setHeader("content-length", "100");
    declared?.write("begun");
    clock.advance(1000);
    const [first, second, third] = await Promise.all(replies);
    expect(first).toEqual({ status: 504, body: "request timeout", rstCode: 0 });
    expect(second).toEqual({ status: 200, body: "begunrequest timeout", rstCode: 0 });
    expect(third?.rstCode).not.toBe(0);
    for (const late of [silent, begun, declared]) {
      late?.setHeader("x-late", "1");
      late?.writeHead(200);
      late?.write("late");
      late?.end("late");
    }
    expect((await ask(session, { ":path": "/", ...kubelet })).status).toBe(200);
  });

  test("a stream that the client resets is 499", async () => {
    const { sidecar, ports } = await startInProcess();
    const { held, handler } = createHolding();
    const server = createServer(handler);
    sidecar.attach(server);
    const session = await open(server);
    const stream = session.request({ ":path": "/" }).on("error", () => undefined);
    await until(() => held.length === 1);
    stream.close(8);
    await untilMetric(ports.metrics, `${count}{http_response_status_code="499"}`, 1);
    expect(held[0]?.stream.destroyed).toBe(true);
  });

  test("when the pod goes clients hear GOAWAY at once, and streams that are under way end well", async () => {
    const { sidecar } = await startInProcess();
    const { held, handler } = createHolding();
    const server = createServer(sidecar.wrap(handler));
    const session = await open(server);
    const goaway = new Promise((resolve) => session.once("goaway", resolve));
    const reply = ask(session, { ":path": "/" });
    await until(() => held.length === 1);
    const stopped = sidecar.stop();
    expect(await goaway).toBe(0);
    held[0]?.end("served");
    expect(await reply).toMatchObject({ status: 200, body: "served" });
    await stopped;
    await until(() => session.destroyed);
  });
});
