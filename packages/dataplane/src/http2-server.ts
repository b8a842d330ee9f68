import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { SluiceError } from "@sluice/core";
import { answerError } from "./error-answer.ts";
import { Http2Client } from "./http2-client.ts";

/** A request as HTTP/2 says it. */
export interface Http2Arrival {
  readonly stream: ServerHttp2Stream;
  readonly method: string;
  readonly url: string;
  readonly authority: string | undefined;
  readonly rawHeaders: readonly string[];
  readonly hasBody: boolean;
  readonly peerAddress: string;
}

/** Takes what is a request. */
export interface Http2Handler {
  handleStream(arrival: Http2Arrival): void;
}

/** The HTTP/2 front, by prior knowledge on a plain port and by ALPN on a TLS one. It never binds: connections are handed to it. */
export interface Http2Front {
  /** Made when it is first asked for: most pods never see an HTTP/2 connection. */
  readonly server: Http2Server;
  /** GOAWAY on every connection: streams that run may finish, new ones go elsewhere. */
  goAway(): void;
  /** Ends every connection, at once. */
  close(): void;
}

/** Go's limits, which Knative's clients are used to. */
const settings = { maxConcurrentStreams: 250, initialWindowSize: 1024 * 1024 };

export function createHttp2Server(handler: Http2Handler, maxHeaderBytes: number): Http2Front {
  const sessions = new Set<ServerHttp2Session>();
  let server: Http2Server | undefined;
  return {
    get server() {
      server ??= createServer(handler, maxHeaderBytes, sessions);
      return server;
    },
    goAway: () => sessions.forEach((session) => session.close()),
    close: () => sessions.forEach((session) => session.destroy()),
  };
}

function createServer(
  handler: Http2Handler,
  maxHeaderBytes: number,
  sessions: Set<ServerHttp2Session>,
): Http2Server {
  // Node's HTTP/2 brings TLS and all of OpenSSL with it, a quarter of the time that a process takes to start: it is loaded late.
  const http2 = process.getBuiltinModule("node:http2");
  const server = http2.createServer({
    settings: { ...settings, maxHeaderListSize: maxHeaderBytes },
    // A peer that sends nonsense loses its connection soon; Node's limit on resets (CVE-2023-44487) stays as it is.
    maxSessionInvalidFrames: 100,
  });
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    // Whatever the peer did, it ends with its connection.
    session.on("error", () => session.destroy());
    session.setLocalWindowSize(settings.initialWindowSize);
  });
  server.on(
    "stream",
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, rawHeaders: string[]) =>
      acceptStream(handler, stream, headers, flags, rawHeaders),
  );
  return server;
}

function acceptStream(
  handler: Http2Handler,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders: string[],
): void {
  if (headers[":method"] === "CONNECT") {
    answerError(new Http2Client(stream), new SluiceError("connect-unsupported"));
    return;
  }
  handler.handleStream({
    stream,
    method: headers[":method"] ?? "GET",
    url: headers[":path"] ?? "/",
    authority: headers[":authority"],
    rawHeaders,
    hasBody: (flags & endStreamFlag) === 0,
    peerAddress: stream.session?.socket.remoteAddress ?? "",
  });
}

/** RFC 9113 §6.2. */
const endStreamFlag = 0x1;
