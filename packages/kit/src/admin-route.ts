import { SluiceError } from "@sluice/core";
import type { IncomingMessage, ServerResponse } from "node:http";

export interface AdminRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Path and query; the authority is not the client's. */
  readonly url: URL;
  /** What the `:name` segments of the route's path stood for, percent-decoded. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The whole body as text. Throws `body-too-large` beyond `maxBytes`, default 64 KiB. */
  readonly readBody: (maxBytes?: number) => Promise<string>;
  /** The body as JSON. Throws `bad-request` when it is none. */
  readonly readJson: (maxBytes?: number) => Promise<unknown>;
}

export interface AdminRoute {
  /** GET also answers HEAD. */
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Exact, except that a segment `:name` takes any one segment: `/v1/scale/:namespace/:name`. */
  readonly path: string;
  /** `open` routes need no token where the server has one. */
  readonly access?: "open";
  /** Errors that it throws become the answer: a SluiceError its own, anything else a logged 500. */
  handle(request: AdminRequest): void | Promise<void>;
}

export interface RouteMatch {
  readonly route: AdminRoute;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The route of a request, or the methods that its path would take (none: there is no such path). */
export function findRoute(
  routes: readonly AdminRoute[],
  method: string,
  path: string,
): RouteMatch | { readonly allowed: readonly string[] } {
  const allowed: string[] = [];
  const wanted = method === "HEAD" ? "GET" : method;
  for (const route of routes) {
    const parameters = matchPath(route.path, path);
    if (parameters === undefined) continue;
    if (route.method === wanted) return { route, parameters };
    allowed.push(route.method);
  }
  return { allowed };
}

function matchPath(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    const text = given[index] ?? "";
    if (!segment.startsWith(":")) {
      if (segment !== text) return undefined;
    } else {
      const value = decode(text);
      if (value === undefined || value === "") return undefined;
      parameters[segment.slice(1)] = value;
    }
  }
  return parameters;
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    // A malformed escape names nothing that exists: no route.
    return undefined;
  }
}

const defaultBodyBytes = 64 * 1024;

/** Reads a whole body; how long that may take is the server's `requestTimeout`. */
export function readBody(request: IncomingMessage, maxBytes = defaultBodyBytes): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    // Events, because leaving a loop over the request would destroy the socket that still has to carry the 413.
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
      else {
        request.pause();
        reject(new SluiceError("body-too-large"));
      }
    });
    request.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    request.on("error", reject);
  });
}

export async function readJson(request: IncomingMessage, maxBytes?: number): Promise<unknown> {
  const text = await readBody(request, maxBytes);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SluiceError("bad-request", "the body is not JSON", { cause, isPublic: true });
  }
}
