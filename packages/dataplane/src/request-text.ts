import { SluiceError } from "@sluice/core";
import type { ForwardRequest } from "./forward.ts";
import { toRequestTrailers, type RequestHead } from "./request-head.ts";

/** What goes to an app over HTTP/1.1. */
export interface Http1Request extends ForwardRequest {
  readonly head: RequestHead;
}

/** What no request line may hold: blanks, controls, and what is no byte. */
const notInTarget = /[^\x21-\x7e\x80-\xff]/;

/**
 * A request's head as it goes over the wire, a character per byte (RFC 9112 §3, §5). Throws `bad-request` for a target that would
 * mean something else there.
 */
export function toRequestText(request: Http1Request): string {
  const { method, path, headers } = request;
  if (notInTarget.test(path)) throw new SluiceError("bad-request", "the request target has a blank in it");
  let text = `${method} ${path} HTTP/1.1\r\n`;
  for (let index = 0; index < headers.length; index += 2) {
    text += `${headers[index] ?? ""}: ${headers[index + 1] ?? ""}\r\n`;
  }
  return `${text}${toFraming(request)}\r\n`;
}

/** The headers that only one connection needs; a length that the client declared is among the others. */
function toFraming({ method, hasBody, head }: Http1Request): string {
  if (!hasBody) {
    // Many apps want to be told (RFC 9110 §8.6).
    return head.contentLength === undefined && expectsBody.has(method) ? "Content-Length: 0\r\n" : "";
  }
  let framing = head.contentLength === undefined ? "Transfer-Encoding: chunked\r\n" : "";
  if (head.trailer !== undefined) framing += `Trailer: ${head.trailer}\r\n`;
  if (head.expect !== undefined) framing += "Expect: 100-continue\r\n";
  return framing;
}

const expectsBody: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** The end of a chunked body (RFC 9112 §7.1). */
export function toLastChunk(rawTrailers: readonly string[]): string {
  if (rawTrailers.length === 0) return "0\r\n\r\n";
  const trailers = toRequestTrailers(rawTrailers);
  let text = "0\r\n";
  for (let index = 0; index < trailers.length; index += 2) {
    text += `${trailers[index] ?? ""}: ${trailers[index + 1] ?? ""}\r\n`;
  }
  return `${text}\r\n`;
}

const idempotentMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** Whether doing it twice is like doing it once (RFC 9110 §9.2.2). */
export function isIdempotent(method: string): boolean {
  return idempotentMethods.has(method);
}
