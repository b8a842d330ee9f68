import { createServer } from "node:http";
import { largeBodies, smallBody } from "../harness/upstream.ts";

/** `node:http` and nothing else: the same answers as the upstream's. usage: bare-server.ts PORT */
const bodies = new Map(
  Object.entries(largeBodies).map(([name, bytes]) => [`/${name}`, Buffer.alloc(bytes, "x")]),
);

createServer((request, response) => {
  const body = bodies.get(request.url ?? "");
  request.resume();
  response.writeHead(200, {
    "content-type": "text/html",
    "content-length": body?.length ?? smallBody.length,
  });
  response.end(body ?? smallBody);
}).listen(Number(process.argv[2]), "127.0.0.1");
