import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { createHttp1Server, createUpgradeClient, Http1Client, type Http1Handler } from "@sluice/dataplane";
import type { AppForwarder } from "./app-forwarder.ts";
import type { Pipeline } from "./pipeline.ts";

export interface Http1ListenerOptions {
  readonly headerTimeoutMs: number;
  readonly maxHeaderBytes: number;
}

/** The HTTP/1.1 front. */
export function createHttp1Listener(
  pipeline: Pipeline,
  forwarder: AppForwarder,
  options: Http1ListenerOptions,
): Server {
  // Idle connections are the client's business.
  return createHttp1Server(createHandler(pipeline, forwarder), { ...options, keepAliveTimeoutMs: 0 });
}

function createHandler(pipeline: Pipeline, forwarder: AppForwarder): Http1Handler {
  return {
    handleRequest: (request, response) =>
      pipeline.accept({
        client: new Http1Client(request, response),
        method: request.method ?? "GET",
        url: request.url ?? "/",
        httpVersion: request.httpVersion,
        rawHeaders: request.rawHeaders,
        peerAddress: request.socket.remoteAddress ?? "",
        startForwarding: forwarder.startHttp1,
      }),
    handleUpgrade: (request, socket, early) => acceptUpgrade(pipeline, forwarder, request, socket, early),
  };
}

function acceptUpgrade(
  pipeline: Pipeline,
  forwarder: AppForwarder,
  request: IncomingMessage,
  socket: Duplex,
  early: Buffer,
): void {
  const client = createUpgradeClient(request, socket);
  pipeline.accept({
    client,
    method: request.method ?? "GET",
    url: request.url ?? "/",
    httpVersion: request.httpVersion,
    rawHeaders: request.rawHeaders,
    peerAddress: request.socket.remoteAddress ?? "",
    startForwarding: (exchange) => forwarder.startUpgrade(exchange, client, socket, early),
  });
}
