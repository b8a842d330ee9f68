import { headerNames, type SluiceError } from "@sluice/core";
import type { ClientSide } from "./client-side.ts";

/** Refusals that were made before the app saw a byte say so, and an activator may go elsewhere (docs/compatibility.md). */
const refusalReasons: Partial<Record<SluiceError["code"], string>> = {
  "queue-full": "queue-full",
  closing: "closing",
};

/** As in Knative, whose time limits write their text themselves. */
const plainAnswers: ReadonlySet<SluiceError["code"]> = new Set([
  "request-timeout",
  "activator-request-timeout",
]);

/**
 * The one place where an error becomes an answer. What has begun cannot be taken back: a body that was cut short breaks
 * the exchange off, so that the client does not take it for the whole. A client that is gone gets nothing.
 */
export function answerError(
  client: ClientSide,
  error: SluiceError,
  extraHeaders: readonly string[] = [],
): void {
  if (error.code === "client-gone" || client.isHeadSent) {
    client.destroy();
    return;
  }
  const body = Buffer.from(error.body);
  const reason = refusalReasons[error.code];
  const headers = ["Content-Type", "text/plain; charset=utf-8", "Content-Length", String(body.length)];
  if (!plainAnswers.has(error.code)) headers.push("X-Content-Type-Options", "nosniff");
  headers.push(...extraHeaders);
  if (reason !== undefined) headers.push(headerNames.refused, reason);
  client.sendHead(error.status, headers);
  client.end(body);
}
