import {
  connect,
  createServer,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** MiB: Node's own ends of a connection give up at ten. */
const maxSessionMemory = 1000;

export type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export interface Http2App {
  readonly port: number;
  /** Connections that are open. */
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  /** Connections that there have been. */
  readonly connectionCount: number;
}

/** An app that speaks h2c on a free port; closed when the test ends. */
export async function startHttp2App(onStream: OnStream, settings: Settings = {}): Promise<Http2App> {
  const server = createServer({ settings, maxSessionMemory });
  const sessions = new Set<ServerHttp2Session>();
  let connectionCount = 0;
  server.on("session", (session: ServerHttp2Session) => {
    connectionCount++;
    sessions.add(session);
    session.on("error", () => undefined).on("close", () => sessions.delete(session));
  });
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on("error", () => undefined);
    onStream(stream, headers);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    sessions,
    get connectionCount() {
      return connectionCount;
    },
  };
}

/** A client connection by prior knowledge; ended when the test ends. */
export function connectHttp2(port: number, settings: Settings = {}): ClientHttp2Session {
  const client = connect(`http://127.0.0.1:${port}`, { settings, maxSessionMemory });
  client.on("error", () => undefined);
  onTestFinished(() => client.destroy());
  return client;
}

export interface StreamAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  trailers: IncomingHttpHeaders;
  body: string;
  rstCode: number;
  /** The head ended the stream. */
  isHeadOnly: boolean;
}

/** One request and its whole answer, however it ends. */
export function askStream(
  client: ClientHttp2Session,
  headers: Record<string, string | string[]> = {},
  body?: string | Buffer,
): Promise<StreamAnswer> {
  return new Promise((resolve) => {
    const stream = client.request(
      { ":path": "/", ":authority": "greeter.example", ...headers },
      { endStream: body === undefined },
    );
    const answer = { status: 0, headers: {}, trailers: {}, rstCode: 0, isHeadOnly: false };
    const chunks: Buffer[] = [];
    stream
      .on("response", (received, flags) => {
        Object.assign(answer, {
          status: received[":status"],
          headers: received,
          isHeadOnly: (flags & 1) === 1,
        });
      })
      .on("data", (chunk: Buffer) => chunks.push(chunk))
      .on("trailers", (received: IncomingHttpHeaders) => (answer.trailers = received))
      .on("error", () => undefined)
      .on("close", () =>
        resolve({ ...answer, body: Buffer.concat(chunks).toString("latin1"), rstCode: stream.rstCode }),
      );
    if (body !== undefined) stream.end(body);
  });
}
