import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { Pool } from "undici";

/** What one writes first: `node:http`, undici's `request`, streams between. usage: request-pipe-proxy.ts PORT UPSTREAM_PORT */
const pool = new Pool(`http://127.0.0.1:${process.argv[3]}`, { connections: 100 });

async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const hasBody = request.method !== "GET" && request.method !== "HEAD";
  const answer = await pool.request({
    path: request.url ?? "/",
    method: request.method ?? "GET",
    headers: { ...request.headers, connection: undefined },
    body: hasBody ? request : null,
  });
  response.writeHead(answer.statusCode, answer.headers);
  await pipeline(answer.body, response);
}

createServer((request, response) => {
  forward(request, response).catch(() => response.destroy());
}).listen(Number(process.argv[2]), "127.0.0.1");
