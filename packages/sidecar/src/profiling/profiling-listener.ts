import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { getHeapSnapshot } from "node:v8";
import { createControlListener } from "../control-listeners.ts";
import { ProcessProfiler } from "./profiler.ts";

const prefix = "/debug/pprof/";
/** As in Go. */
const defaultSeconds = 30;
const mostSeconds = 600;

/** Answers one path below the prefix. */
type Answer = (response: ServerResponse, query: URLSearchParams) => void | Promise<void>;

/** Profiles of this process under `/debug/pprof/`, as Go's `net/http/pprof` serves them (reference §1.2). */
export function createProfilingListener(): Server {
  // Loaded only where it is wanted.
  const { Session } = process.getBuiltinModule("node:inspector/promises");
  const profiler = new ProcessProfiler(new Session());
  const started = profiler.start();
  const answers: Readonly<Record<string, Answer>> = {
    "": (response) => sendText(response, 200, indexPage, "text/html; charset=utf-8"),
    cmdline: (response) => sendText(response, 200, process.argv.join("\0")),
    symbol: (response) => sendText(response, 200, "num_symbols: 1\n"),
    profile: async (response, query) => {
      await started;
      const durationMs = readSeconds(query) * 1000;
      const gone = new AbortController();
      response.once("close", () => gone.abort());
      const profile = await profiler.takeCpuProfile(durationMs, gone.signal);
      if (profile === undefined)
        sendText(response, 500, "Could not enable CPU profiling: cpu profiling already in use\n");
      else sendProfile(response, "profile", profile);
    },
    heap: async (response) => {
      await started;
      sendProfile(response, "heap", await profiler.takeHeapProfile());
    },
    heapsnapshot: (response) => {
      response.writeHead(200, toHead("sidecar.heapsnapshot"));
      getHeapSnapshot().pipe(response);
    },
  };
  const server = createControlListener((request, response, path) => answer(answers, request, response, path));
  server.on("close", () => profiler.close());
  return server;
}

function answer(
  answers: Readonly<Record<string, Answer>>,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): void {
  const name = path.startsWith(prefix) ? path.slice(prefix.length) : undefined;
  const known = name !== undefined && Object.hasOwn(answers, name) ? answers[name] : undefined;
  if (known === undefined)
    return sendText(response, 404, name === undefined ? "404 page not found\n" : "Unknown profile\n");
  if (request.method !== "GET" && request.method !== "HEAD")
    return sendText(response, 405, "Method Not Allowed\n");
  const query = new URL(request.url ?? "/", "http://localhost").searchParams;
  Promise.resolve(known(response, query)).catch((error: unknown) => {
    if (response.headersSent) response.destroy();
    else sendText(response, 500, `${String(error)}\n`);
  });
}

function readSeconds(query: URLSearchParams): number {
  const seconds = Number(query.get("seconds") ?? 0);
  return seconds > 0 ? Math.min(seconds, mostSeconds) : defaultSeconds;
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  type = "text/plain; charset=utf-8",
): void {
  response.writeHead(status, { "content-type": type, "x-content-type-options": "nosniff" });
  response.end(text);
}

function sendProfile(response: ServerResponse, name: string, profile: Buffer): void {
  response.writeHead(200, { ...toHead(name), "content-length": profile.length });
  response.end(profile);
}

function toHead(name: string): Record<string, string> {
  return {
    "content-type": "application/octet-stream",
    "content-disposition": `attachment; filename="${name}"`,
    "x-content-type-options": "nosniff",
  };
}

const indexPage = `<html><head><title>${prefix}</title></head><body>
<p>Profiles of this process. Set seconds to say for how long: <code>go tool pprof http://…${prefix}profile?seconds=5</code>.</p>
<ul>
<li><a href="profile">profile</a>: CPU time of the next 30 seconds</li>
<li><a href="heap">heap</a>: memory in use, by where it was allocated</li>
<li><a href="heapsnapshot">heapsnapshot</a>: every object, for the memory panel of Chrome's developer tools; the process stands still meanwhile</li>
<li><a href="cmdline">cmdline</a>: how this process was started</li>
</ul></body></html>
`;
