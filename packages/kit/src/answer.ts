import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";

/** Writes a whole answer with its length. */
export function answerText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): void {
  const body = Buffer.from(text);
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": body.length,
    ...headers,
  });
  response.end(body);
}

export function answerJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  answerText(response, status, `${JSON.stringify(value)}\n`, {
    "content-type": "application/json",
    ...headers,
  });
}

/**
 * Answers 200 with `tag` as `ETag`, or 304 without a body when the reader already has that version
 * (RFC 9110 §13.1.2). `toBody` is called only when a body is needed.
 */
export function answerTagged(
  request: IncomingMessage,
  response: ServerResponse,
  tag: string,
  toBody: () => string,
): void {
  const etag = `"${tag}"`;
  if (matchesTag(request.headers["if-none-match"], etag)) {
    response.writeHead(304, { etag });
    response.end();
  } else answerText(response, 200, toBody(), { "content-type": "application/json", etag });
}

function matchesTag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((part) => part.trim().replace(/^W\//, "") === etag || part.trim() === "*");
}
