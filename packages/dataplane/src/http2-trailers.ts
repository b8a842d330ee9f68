import { constants, type Http2Stream, type OutgoingHttpHeaders } from "node:http2";

/** Header names and values in turn as Node's HTTP/2 wants them. Names from outside are no properties of ours, so no prototype. */
export function toHeaderObject(flat: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.setPrototypeOf({}, null);
  for (let index = 0; index < flat.length; index += 2) {
    const name = (flat[index] ?? "").toLowerCase();
    const value = flat[index + 1] ?? "";
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else headers[name] = Array.isArray(before) ? [...before, value] : [String(before), value];
  }
  return headers;
}

/**
 * Ends a message with its trailers; call on `wantTrailers`. Node throws for what HTTP/2 forbids there, such as a `Content-Type` that
 * came twice over HTTP/1.1, and nobody would catch it: the stream is reset, so that the other side does not take the message
 * for whole.
 */
export function sendTrailers(stream: Http2Stream, flat: readonly string[]): void {
  try {
    stream.sendTrailers(toHeaderObject(flat));
  } catch {
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }
}
