// The app of the tests: says which pod it is; `?sleep=<ms>` takes its time. GET /busy tells for how many milliseconds the
// longest of such calls runs by now.
import { createServer } from "node:http";

const started = new Map();
const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  if (pathname === "/busy") {
    response.end(String(Math.round(performance.now() - Math.min(performance.now(), ...started.values()))));
    return;
  }
  const sleepMs = Number(searchParams.get("sleep") ?? 0);
  if (sleepMs > 0) started.set(request, performance.now());
  setTimeout(() => {
    started.delete(request);
    response.end(`${process.env.HOSTNAME}\n`);
  }, sleepMs);
});
server.listen(8080, "0.0.0.0");
// Process 1 of a container has no handler of its own for this.
process.on("SIGTERM", () => process.exit(0));
