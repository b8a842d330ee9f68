import { IncomingMessage, ServerResponse } from "node:http";
import { Http2ServerRequest, Http2ServerResponse } from "node:http2";

/** Node's HTTP/2 objects are HTTP/1.1's in all that a handler uses; that is what they are for. */
export type AppRequest = IncomingMessage | Http2ServerRequest;
export type AppResponse = ServerResponse | Http2ServerResponse;
export type AppHandler = (request: AppRequest, response: AppResponse) => unknown;

export function isAppRequest(value: unknown): value is AppRequest {
  return value instanceof IncomingMessage || value instanceof Http2ServerRequest;
}

export function isAppResponse(value: unknown): value is AppResponse {
  return value instanceof ServerResponse || value instanceof Http2ServerResponse;
}

/** Names that the data plane speaks, also where an app reads them from CGI variables. */
const internalName = /^(?:k[-_]|knative[-_]serving[-_]|sluice[-_])/;

/**
 * What the app sees of a request in the place of what came: the host that the client asked for, and none of the internal headers that end
 * here. There is no hop between, so none is added to `X-Forwarded-For`. `rawHeaders` stay as they came.
 */
export function showToApp(request: AppRequest, host: string, endToEnd: readonly string[]): void {
  const { headers } = request;
  headers.host = host;
  if (":authority" in headers) headers[":authority"] = host;
  for (const name of Object.keys(headers)) {
    if (internalName.test(name) && !isAmong(name, endToEnd)) Reflect.deleteProperty(headers, name);
  }
}

function isAmong(name: string, endToEnd: readonly string[]): boolean {
  return endToEnd.some((each, index) => index % 2 === 0 && each.toLowerCase() === name);
}
