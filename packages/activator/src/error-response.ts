import type { SluiceError } from "@sluice/core";
import type { ClientSide } from "@sluice/dataplane";
import { toGrpcHeaders } from "./grpc-error.ts";

/** Seconds after which it is worth coming back. */
const retryAfterSeconds: Partial<Record<SluiceError["code"], number>> = {
  "hold-limit": 1,
  "autoscaler-unreachable": 5,
  "routes-unknown": 1,
  "activator-request-timeout": 1,
};

/**
 * The one place where an error becomes an answer of the activator. What has begun cannot be taken back: it is broken off, so
 * that the client does not take it for the whole. gRPC clients get a status of theirs, in headers alone.
 */
export function answerRequestError(client: ClientSide, error: SluiceError, isGrpc: boolean): void {
  if (error.code === "client-gone" || client.isHeadSent) {
    client.destroy();
    return;
  }
  const retryAfter = retryAfterSeconds[error.code];
  if (isGrpc) {
    client.sendHead(200, toGrpcHeaders(error, retryAfter));
    client.end();
    return;
  }
  const body = Buffer.from(error.body);
  const headers = [
    "Content-Type",
    "text/plain; charset=utf-8",
    "X-Content-Type-Options",
    "nosniff",
    "Content-Length",
    String(body.length),
  ];
  // Knative's 504 has no such header; a client that was held in vain gains nothing by coming back at once.
  if (retryAfter !== undefined && error.status === 503) headers.push("Retry-After", String(retryAfter));
  client.sendHead(error.status, headers);
  client.end(body);
}
