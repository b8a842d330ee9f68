import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { SluiceError } from "@sluice/core";
import { answerError, Http2Client } from "@sluice/dataplane";
import type { AppForwarder } from "./app-forwarder.ts";
import type { Pipeline } from "./pipeline.ts";

/** The HTTP/2 front, by prior knowledge on the plain port and by ALPN on the TLS one. It never binds: connections are handed to it. */
export interface Http2Listener {
  readonly server: Http2Server;
  /** GOAWAY on every connection: streams that run may finish, new ones go elsewhere. */
  goAway(): void;
  /** Ends every connection, at once. */
  close(): void;
}

/** Go's limits, which Knative's clients are used to. */
const settings = { maxConcurrentStreams: 250, initialWindowSize: 1024 * 1024 };

export function createHttp2Listener(
  pipeline: Pipeline,
  forwarder: AppForwarder,
  maxHeaderBytes: number,
): Http2Listener {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer({
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
      acceptStream(pipeline, forwarder, stream, headers, flags, rawHeaders),
  );
  return {
    server,
    goAway: () => sessions.forEach((session) => session.close()),
    close: () => sessions.forEach((session) => session.destroy()),
  };
}

function acceptStream(
  pipeline: Pipeline,
  forwarder: AppForwarder,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders: string[],
): void {
  const client = new Http2Client(stream);
  if (headers[":method"] === "CONNECT") {
    answerError(client, new SluiceError("connect-unsupported"));
    return;
  }
  pipeline.accept({
    client,
    method: headers[":method"] ?? "GET",
    url: headers[":path"] ?? "/",
    httpVersion: "2.0",
    rawHeaders,
    authority: headers[":authority"],
    hasBody: (flags & endStreamFlag) === 0,
    peerAddress: stream.session?.socket.remoteAddress ?? "",
    startForwarding: forwarder.startHttp2,
  });
}

/** RFC 9113 §6.2. */
const endStreamFlag = 0x1;
