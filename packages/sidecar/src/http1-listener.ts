import type { Server } from "node:http";
import {
  createHttp1Server,
  createUpgradeClient,
  EarlyBytes,
  Http1Client,
  type Http1ServerOptions,
} from "@sluice/dataplane";
import type { AppForwarder } from "./app-forwarder.ts";
import type { Pipeline } from "./pipeline.ts";

/** The HTTP/1.1 front: what is a request goes into the pipeline. */
export function createHttp1Listener(
  pipeline: Pipeline,
  forwarder: AppForwarder,
  options: Http1ServerOptions,
): Server {
  return createHttp1Server(
    {
      handleRequest(request, response) {
        pipeline.accept({
          client: new Http1Client(request, response),
          method: request.method ?? "GET",
          url: request.url ?? "/",
          httpVersion: request.httpVersion,
          rawHeaders: request.rawHeaders,
          peerAddress: request.socket.remoteAddress ?? "",
          socket: request.socket,
          startForwarding: forwarder.startHttp1,
        });
      },
      handleUpgrade(request, socket, head) {
        const client = createUpgradeClient(request, socket);
        const early = new EarlyBytes(socket, head);
        pipeline.accept({
          client,
          method: request.method ?? "GET",
          url: request.url ?? "/",
          httpVersion: request.httpVersion,
          rawHeaders: request.rawHeaders,
          peerAddress: request.socket.remoteAddress ?? "",
          socket: request.socket,
          startForwarding: (exchange) => forwarder.startUpgrade(exchange, client, socket, early),
        });
      },
    },
    options,
  );
}
