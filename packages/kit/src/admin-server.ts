import { SluiceError } from "@sluice/core";
import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Registry } from "prom-client";
import { findRoute, readBody, readJson, type AdminRoute } from "./admin-route.ts";
import { answerText } from "./answer.ts";
import { hasToken, type TokenSource } from "./bearer-token.ts";
import type { CertificateFolder } from "./certificate-folder.ts";
import { listen } from "./listen.ts";
import type { Logger } from "./log.ts";
import { findLoopbackFault, isLoopback } from "./loopback-guard.ts";
import { createServerFront, type CertificateSource, type ServerFront } from "./server-front.ts";

export interface AdminServerOptions {
  readonly address: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly log: Logger;
  /** Served at `/metrics`. */
  readonly metrics: Registry;
  /** `/readyz`: undefined when ready, else why not, which is the body of the 503. Default: always ready. */
  readonly findUnready?: () => string | undefined;
  /** `/healthz`: the same; a process that says something here wants to be restarted. Default: always well. */
  readonly findUnhealthy?: () => string | undefined;
  readonly routes?: readonly AdminRoute[];
  /** Needed as `Authorization: Bearer …` on every route that is not `open`, and for upgrades. */
  readonly token?: TokenSource;
  /** Takes WebSocket upgrades that passed the guard and the token; without it upgrades are plain requests. */
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** With a folder the server speaks https only, with its `tls.crt` and `tls.key`, and takes new ones as they come. */
  readonly certificates?: CertificateFolder;
  /** How often it looks for new ones. Default 10,000. */
  readonly certificateReloadMs?: number;
  /** Default 2048. */
  readonly maxConnections?: number;
}

interface Refusal {
  readonly status: number;
  readonly text: string;
}

const headersTimeoutMs = 10_000;
const requestTimeoutMs = 30_000;
const maxHeaderBytes = 16 * 1024;

/**
 * The small HTTP server that every process has for its operators and its fellows: `/healthz`, `/readyz`, `/metrics` and
 * the routes of its table. Bound to loopback it refuses web pages (loopback-guard.ts).
 */
export class AdminServer {
  /** The raw server. Add no `request` or `upgrade` listeners: they would run beside the guard. */
  readonly server: Server;
  readonly #options: AdminServerOptions;
  readonly #routes: readonly AdminRoute[];
  readonly #front: ServerFront;
  /** Sockets that left HTTP: the server no longer counts them among its connections, but waits for their end. */
  readonly #upgraded = new Set<Duplex>();
  #bound: AddressInfo | undefined;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#routes = [...createOwnRoutes(options), ...(options.routes ?? [])];
    this.#front = createServerFront(
      { maxHeaderSize: maxHeaderBytes, headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs },
      toCertificateSource(options),
    );
    this.server = this.#front.server;
    this.server.on("request", (request, response) => void this.#answer(request, response));
    this.server.maxConnections = options.maxConnections ?? 2048;
    const { onUpgrade } = options;
    if (onUpgrade !== undefined) {
      this.server.on("upgrade", (request, socket, head) => {
        const refusal = this.#findUpgradeRefusal(request);
        if (refusal !== undefined) {
          refuseUpgrade(socket, refusal);
          return;
        }
        this.#upgraded.add(socket);
        socket.on("close", () => this.#upgraded.delete(socket));
        onUpgrade(request, socket, head);
      });
    }
  }

  /** Binds; returns what it is bound to. Rejects with the system's error. */
  async listen(): Promise<AddressInfo> {
    this.#bound = await listen(this.server, this.#options.port, this.#options.address);
    return this.#bound;
  }

  /** Stops listening and ends every connection, watches and upgraded sockets included. */
  close(): Promise<void> {
    this.#front.stop();
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
      for (const socket of this.#upgraded) socket.destroy();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#route(request, response);
    } catch (error) {
      this.#answerError(response, error);
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = toUrl(request);
    const match = findRoute(this.#routes, request.method ?? "GET", url.pathname);
    const refusal = this.#findRefusal(request, "route" in match && match.route.access === "open");
    if (refusal !== undefined) {
      const headers = refusal.status === 401 ? { "www-authenticate": "Bearer" } : {};
      answerText(response, refusal.status, refusal.text, headers);
    } else if ("route" in match) {
      await match.route.handle({
        request,
        response,
        url,
        parameters: match.parameters,
        readBody: (maxBytes) => readBody(request, maxBytes),
        readJson: (maxBytes) => readJson(request, maxBytes),
      });
    } else if (match.allowed.length > 0) {
      answerText(response, 405, "method not allowed\n", { allow: match.allowed.join(", ") });
    } else answerText(response, 404, `there is nothing at ${url.pathname}\n`);
  }

  /** The guard and the token, in that order: a web page must not even learn whether a token is needed. */
  #findRefusal(request: IncomingMessage, isOpen: boolean): Refusal | undefined {
    const bound = this.#bound;
    if (bound !== undefined && isLoopback(bound.address)) {
      const fault = findLoopbackFault(request.headers, bound.address, bound.port);
      if (fault !== undefined) return { status: 403, text: `refused: ${fault}\n` };
    }
    const { token } = this.#options;
    if (token === undefined || isOpen || hasToken(request.headers.authorization, token)) return undefined;
    return { status: 401, text: "a bearer token is needed\n" };
  }

  /** The same for upgrades, where nobody would catch what a token's source throws. */
  #findUpgradeRefusal(request: IncomingMessage): Refusal | undefined {
    try {
      return this.#findRefusal(request, false);
    } catch (error) {
      this.#options.log.error({ error }, "an upgrade could not be judged");
      return { status: 500, text: new SluiceError("internal").body };
    }
  }

  /** The one place where an error becomes an answer here. */
  #answerError(response: ServerResponse, error: unknown): void {
    const known =
      error instanceof SluiceError ? error : new SluiceError("internal", undefined, { cause: error });
    // Nobody is left to answer: a client that went away while we read its body is no fault of ours.
    if (response.destroyed || response.socket?.destroyed !== false) return;
    if (known.origin === "internal") this.#options.log.error({ error }, "an admin request failed");
    if (response.headersSent) response.destroy();
    // The rest of a body that was refused is not read, so the connection cannot be used again.
    else
      answerText(
        response,
        known.status,
        known.body,
        known.origin === "client" ? { connection: "close" } : {},
      );
  }
}

function toCertificateSource(options: AdminServerOptions): CertificateSource | undefined {
  const { certificates: folder, certificateReloadMs: reloadMs = 10_000, log } = options;
  return folder === undefined ? undefined : { folder, reloadMs, log };
}

function createOwnRoutes(options: AdminServerOptions): readonly AdminRoute[] {
  return [
    createStateRoute("/healthz", options.findUnhealthy),
    createStateRoute("/readyz", options.findUnready),
    {
      method: "GET",
      path: "/metrics",
      access: "open",
      async handle({ response }) {
        const text = await options.metrics.metrics();
        answerText(response, 200, text, { "content-type": options.metrics.contentType });
      },
    },
  ];
}

function createStateRoute(path: string, findFault: (() => string | undefined) | undefined): AdminRoute {
  return {
    method: "GET",
    path,
    access: "open",
    handle({ response }) {
      const fault = findFault?.();
      if (fault === undefined) answerText(response, 200, "ok\n");
      else answerText(response, 503, `${fault}\n`);
    },
  };
}

function toUrl(request: IncomingMessage): URL {
  // Only path and query are the client's; a target that starts with two slashes must not become a host.
  const url = URL.parse(`http://admin${request.url?.startsWith("/") === true ? request.url : "/"}`);
  if (url === null) throw new SluiceError("bad-request");
  return url;
}

function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const head = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`;
  const headers = `content-type: text/plain; charset=utf-8\r\ncontent-length: ${refusal.text.length}\r\nconnection: close`;
  // A peer that is already gone is no news.
  socket.on("error", () => socket.destroy());
  socket.end(`${head}\r\n${headers}\r\n\r\n${refusal.text}`);
}
