// An app that does what a test asks: by its environment at the start, by the path later.
import { createServer } from "node:http";

if (process.env.CRASH !== undefined) {
  process.stderr.write(`${process.env.CRASH}\n`);
  process.exit(3);
}

let running = 0;

const answers = {
  "/env": () => process.env,
  "/headers": (request) => request.headers,
  "/pid": () => process.pid,
};

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname === "/exit") process.exit(Number(url.searchParams.get("code") ?? 3));
  running++;
  // For a limit of one: two requests at a time are an error of whoever let the second one in.
  const status = url.pathname === "/exclusive" && running > 1 ? 500 : 200;
  setTimeout(
    () => {
      running--;
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(answers[url.pathname]?.(request) ?? "ok"));
    },
    Number(url.searchParams.get("sleep") ?? 0),
  );
});

server.listen(Number(process.env.PORT ?? 8080), "0.0.0.0");
process.on("SIGTERM", () => server.close());
