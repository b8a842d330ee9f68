import type { Service } from "@sluice/core";
import type { ClientSide } from "@sluice/dataplane";
import { findHeader } from "./grpc-error.ts";

/** Set to `enabled` on a service, a browser that opens a page at zero is told so instead of being held. */
export const waitingPageAnnotation = "sluice.dev/waiting-page";

const refreshSeconds = 1;

const page = Buffer.from(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="${refreshSeconds}">
<title>Starting</title>
<style>body{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;margin:0}</style>
<p>This service is starting. The page opens by itself.</p>
</html>
`);

/** Only a person in front of a browser navigates; programs, images and scripts are held as ever (Fetch Metadata). */
export function wantsWaitingPage(
  method: string,
  headers: readonly string[],
  service: Service | undefined,
): boolean {
  if (service?.annotations[waitingPageAnnotation] !== "enabled") return false;
  return method === "GET" && findHeader(headers, "sec-fetch-mode") === "navigate";
}

/** 503, so that nobody keeps it or takes it for the page itself. */
export function answerWaitingPage(client: ClientSide): void {
  client.sendHead(503, [
    "Content-Type",
    "text/html; charset=utf-8",
    "Content-Length",
    String(page.length),
    "Cache-Control",
    "no-store",
    "Retry-After",
    String(refreshSeconds),
  ]);
  client.end(page);
}
