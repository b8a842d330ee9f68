import type { IncomingMessage } from "node:http";
import type { ClientSide } from "./client-side.ts";
import type { ForwardObserver } from "./forward.ts";
import { toResponseHeaders, toTrailers } from "./response-headers.ts";

/** Who started the relay and owns the request that the response answers. */
export interface RelayOwner {
  onRelayed(): void;
  onRelayFailed(error: Error): void;
}

/** Hands a `node:http` response to the client, piece by piece, at the client's pace. */
export function relayResponse(
  response: IncomingMessage,
  client: ClientSide,
  observer: ForwardObserver,
  owner: RelayOwner,
): void {
  const headers = toResponseHeaders(response.headers);
  const status = response.statusCode ?? 502;
  observer.onResponseProgress();
  observer.onResponseHead(status, headers);
  try {
    client.sendHead(status, headers, response.statusMessage);
  } catch (error) {
    // Node's client reads more than its server sends (a status of 099); thrown from here it would end the process.
    owner.onRelayFailed(error instanceof Error ? error : new TypeError(String(error)));
    return;
  }
  client.flushHead();
  response
    .on("data", (chunk: Buffer) => {
      observer.onResponseProgress();
      if (!client.write(chunk)) response.pause();
    })
    .on("end", () => {
      client.end(undefined, toTrailers(response.trailers));
      owner.onRelayed();
    })
    .on("error", (error) => owner.onRelayFailed(error));
}
