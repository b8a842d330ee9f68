import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Server as TlsServer, ServerOptions } from "node:https";
import type { TLSSocket } from "node:tls";
import { statContentType } from "@sluice/core";
import { answerText, findLoopbackFault, isLoopback, type Registry } from "@sluice/kit";
import type { Drainer } from "./drainer.ts";
import type { StatReporter } from "./stat-reporter.ts";

/** Answers one path of a control port; undefined leaves it to the 404. */
type Handle = (request: IncomingMessage, response: ServerResponse, path: string) => void;

/** Idle connections are the scraper's business: one that asks now and then must not find its connection gone. */
const limits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 0,
  maxHeaderSize: 16 * 1024,
};

/** Where autoscalers read the stat: nothing but `/metrics`, and always protobuf, whatever they accept. */
export function createStatsListener(stats: StatReporter): Server {
  return createControlListener((_request, response, path) => {
    if (path !== "/metrics") return answerFault(response, 404, "404 page not found");
    const body = stats.encoded;
    response.writeHead(200, ["Content-Type", statContentType, "Content-Length", String(body.length)]);
    response.end(body);
  });
}

/** Where Prometheus reads; over TLS when there is something for it. */
export function createMetricsListener(registry: Registry, tls?: ServerOptions): Server | TlsServer {
  const handle: Handle = (request, response, path) => {
    if (path !== "/metrics") return answerFault(response, 404, "404 page not found");
    if (request.method !== "GET" && request.method !== "HEAD") {
      return answerFault(response, 405, "Method Not Allowed", { allow: "GET, HEAD" });
    }
    registry.metrics().then(
      (text) => answerText(response, 200, text, { "content-type": registry.contentType }),
      () => answerFault(response, 500, "internal error"),
    );
  };
  if (tls === undefined) return createControlListener(handle);
  // Loaded only where it is wanted: OpenSSL is a quarter of the time that a process takes to start.
  const server = process.getBuiltinModule("node:https").createServer({ ...limits, ...tls });
  server.on("secureConnection", refuseBadCertificate);
  return answerBy(server, handle);
}

/** Who shows a certificate without having to must show a good one. */
function refuseBadCertificate(socket: TLSSocket): void {
  if (!socket.authorized && socket.getPeerX509Certificate() !== undefined) socket.destroy();
}

/**
 * `/wait-for-drain`, which the kubelet calls before it stops a container of the pod: the answer comes when it has been quiet for
 * long enough. The call cannot know whether the pod ends or only a container restarts, so without a SIGTERM the drain is
 * taken back after a while.
 */
export function createAdminListener(drainer: Drainer, scheduleReset: () => void): Server {
  return createControlListener((_request, response, path) => {
    if (path !== "/wait-for-drain") return answerFault(response, 404, "404 page not found");
    scheduleReset();
    void drainer.drain().then(() => response.writeHead(200, ["Content-Length", "0"]).end());
  });
}

/** A plain port for one purpose. Bound to loopback, it refuses what a web page could send. */
export function createControlListener(handle: Handle): Server {
  return answerBy(createServer(limits), handle);
}

function answerBy<Kind extends Server | TlsServer>(server: Kind, handle: Handle): Kind {
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    // What HTTP/1.1 means without a word.
    if (request.httpVersionMinor === 1) response.removeHeader("connection");
    const bound = server.address();
    // Bound to loopback, a web page could reach the port through its visitor's browser.
    const fault =
      bound !== null && typeof bound !== "string" && isLoopback(bound.address)
        ? findLoopbackFault(request.headers, bound.address, bound.port)
        : undefined;
    if (fault !== undefined) answerFault(response, 403, `refused: ${fault}`);
    else handle(request, response, (request.url ?? "/").split("?")[0] ?? "/");
  });
  return server;
}

/** As Go's `http.Error` writes it. */
function answerFault(
  response: ServerResponse,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): void {
  answerText(response, status, `${text}\n`, { "x-content-type-options": "nosniff", ...headers });
}
