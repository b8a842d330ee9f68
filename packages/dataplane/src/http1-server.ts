import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { Duplex } from "node:stream";
import type { TlsOptions } from "node:tls";
import { SluiceError, errorCatalogue, type Clock, type ErrorCode } from "@sluice/core";
import { BodyLinger } from "./body-linger.ts";
import { answerError } from "./error-answer.ts";
import { Http1Client } from "./http1-client.ts";
import { PipelineBrake } from "./pipeline-brake.ts";
import { createUpgradeClient } from "./upgrade-forward.ts";

export interface Http1ServerOptions {
  readonly clock: Clock;
  readonly headerTimeoutMs: number;
  readonly maxHeaderBytes: number;
  /** How long a connection without a request is kept; 0 is for ever. */
  readonly keepAliveTimeoutMs: number;
}

/** Takes what is a request. */
export interface Http1Handler {
  handleRequest(request: IncomingMessage, response: ServerResponse): void;
  /** `early`: what the client sent right behind its request. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, early: Buffer): void;
}

/** An HTTP/1.1 front. Node's strict parser is the first judge of what is a request at all. */
export function createHttp1Server(handler: Http1Handler, options: Http1ServerOptions): Server {
  return addHandler(createServer(toServerOptions(options)), handler, options.clock);
}

/** The same over TLS, in one server: Node limits the time of connections only where the HTTP server itself listens. */
export function createHttps1Server(
  handler: Http1Handler,
  options: Http1ServerOptions,
  tls: TlsOptions,
): HttpsServer {
  // Loaded only where it is needed: OpenSSL is a quarter of the time that a process takes to start.
  const { createServer: createHttpsServer } = process.getBuiltinModule("node:https");
  return addHandler(createHttpsServer({ ...toServerOptions(options), ...tls }), handler, options.clock);
}

function toServerOptions(options: Http1ServerOptions): ServerOptions {
  return {
    headersTimeout: options.headerTimeoutMs,
    connectionsCheckingInterval: Math.min(30_000, Math.max(1, options.headerTimeoutMs / 2)),
    maxHeaderSize: options.maxHeaderBytes,
    // Bodies take as long as the request's own limit lets them.
    requestTimeout: 0,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    insecureHTTPParser: false,
    // Requests without a body are done when their head is: Node need not set up a stream for them.
    optimizeEmptyRequests: true,
    shouldUpgradeCallback: isUpgrade,
    // Whoever takes the request checks its host together with the rest of its head.
    requireHostHeader: false,
  };
}

function addHandler<AnyServer extends Server>(
  server: AnyServer,
  handler: Http1Handler,
  clock: Clock,
): AnyServer {
  // Node silently drops headers beyond a count; the bytes are limited already.
  server.maxHeadersCount = 0;
  const linger = new BodyLinger(clock);
  const brake = new PipelineBrake();
  const accept = (request: IncomingMessage, response: ServerResponse): void => {
    // Node's parser also lets 0.9 and 2.0 through, as if they were 1.1.
    if (request.httpVersionMajor !== 1) return refuse(request, response, "version-unsupported");
    // Node has ended those that bring no body.
    if (!request.readableEnded) linger.watch(request, response);
    // Pipelined behind a request that is not answered yet: it waits for its turn, so that an app sees the requests of one
    // connection in their order (RFC 9112 §9.3.2) and one connection takes one slot.
    if (response.socket === null)
      brake.wait(request.socket, response, () => handler.handleRequest(request, response));
    else handler.handleRequest(request, response);
  };
  server.on("request", accept);
  // The app answers the expectation, or `Http1Forward` does after a while.
  server.on("checkContinue", accept);
  server.on("checkExpectation", (request, response) => refuse(request, response, "expectation-failed"));
  server.on("upgrade", (request, socket, early) => {
    linger.watchEnd(socket);
    handler.handleUpgrade(request, socket, early);
  });
  server.on("connect", (request, socket) => {
    linger.watchEnd(socket);
    // Its answer would come before one that is under way.
    if (findAnswer(socket) !== undefined) socket.destroy();
    else answerError(createUpgradeClient(request, socket), new SluiceError("connect-unsupported"));
  });
  server.on("clientError", (error, socket) => {
    linger.watchEnd(socket);
    answerUnreadable(error, socket);
  });
  return server;
}

function refuse(request: IncomingMessage, response: ServerResponse, code: ErrorCode): void {
  const client = new Http1Client(request, response);
  client.closeAfterwards();
  answerError(client, new SluiceError(code));
}

/**
 * Upgrades to h2c end here: RFC 9113 §3.1 has withdrawn them, and a server may go on with HTTP/1.1 (RFC 9110 §7.8). So does a
 * request that brings a body: where its bytes end would be for two parsers to agree on. And so does one that comes before the answer
 * to another on its connection: the two would write over one another.
 */
function isUpgrade(request: IncomingMessage): boolean {
  if (findAnswer(request.socket) !== undefined) return false;
  const { upgrade, "content-length": length = "0", "transfer-encoding": coding } = request.headers;
  return (
    upgrade !== undefined &&
    !/(?:^|,)\s*h2c?\s*(?:,|$)/i.test(upgrade) &&
    length === "0" &&
    coding === undefined
  );
}

const codesOfParser: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: "headers-too-large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "body-too-large",
  ERR_HTTP_REQUEST_TIMEOUT: "client-timeout",
};

/** What is no request gets a short answer where one can still be written, and the connection ends: nothing behind it can be trusted. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  // More behind a request that said `Connection: close`: it is not read, and the request gets its answer (RFC 9112 §9.6).
  if (error.code === "HPE_CLOSED_CONNECTION") return;
  if (!socket.writable || error.code === "ECONNRESET" || isAnswering(socket)) {
    socket.destroy(error);
    return;
  }
  const code = codesOfParser[error.code ?? ""] ?? "bad-request";
  const { status, body } = errorCatalogue[code];
  const reason = reasons[status] ?? "Bad Request";
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const reasons: Readonly<Record<number, string>> = {
  400: "Bad Request",
  408: "Request Timeout",
  413: "Content Too Large",
  431: "Request Header Fields Too Large",
};

/** An answer that is half written must not get a second one into its middle. */
function isAnswering(socket: Duplex): boolean {
  const answer = findAnswer(socket);
  return answer !== undefined && "headersSent" in answer && answer.headersSent === true;
}

/** Node's answer that has the connection now. */
function findAnswer(socket: Duplex): object | undefined {
  const answer: unknown = "_httpMessage" in socket ? socket._httpMessage : undefined;
  return typeof answer === "object" && answer !== null ? answer : undefined;
}
