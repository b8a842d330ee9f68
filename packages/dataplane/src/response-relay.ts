import type { IncomingMessage } from "node:http";
import type { ClientSide } from "./client-side.ts";
import type { ForwardObserver } from "./forward.ts";
import { toResponseHeaders, toTrailers } from "./response-headers.ts";

/** Who started the relay and owns the request that the response answers. */
export interface RelayOwner {
  onRelayed(): void;
  onRelayFailed(error: Error): void;
}

/** Hands a `node:http` response to the client, piece by piece, at the client's pace. Returns how to stop. */
export function relayResponse(
  response: IncomingMessage,
  client: ClientSide,
  observer: ForwardObserver,
  owner: RelayOwner,
): () => void {
  const headers = toResponseHeaders(response.headers);
  const status = response.statusCode ?? 502;
  observer.onResponseProgress();
  observer.onResponseHead(status, headers);
  client.sendHead(status, headers, response.statusMessage);
  client.flushHead();
  const onData = (chunk: Buffer): void => {
    observer.onResponseProgress();
    if (!client.write(chunk)) response.pause();
  };
  const onEnd = (): void => {
    client.end(undefined, toTrailers(response.trailers));
    owner.onRelayed();
  };
  response
    .on("data", onData)
    .on("end", onEnd)
    .on("error", (error) => owner.onRelayFailed(error));
  return () => {
    response.off("data", onData).off("end", onEnd);
  };
}
