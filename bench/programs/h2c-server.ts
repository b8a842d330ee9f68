import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { largeBodies, smallBody } from "../harness/upstream.ts";

/** An HTTP/2 app by prior knowledge with the upstream's bodies: `node h2c-server.ts PORT`. */
const bodies = new Map(
  Object.entries(largeBodies).map(([name, bytes]) => [`/${name}`, Buffer.alloc(bytes, "x")]),
);
const small = Buffer.from(smallBody);
const server = createServer();
server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
  const body = bodies.get(headers[":path"] ?? "") ?? small;
  stream.on("error", () => undefined);
  stream.respond([":status", "200", "content-type", "text/html", "content-length", String(body.length)]);
  stream.end(body);
});
server.listen(Number(process.argv[2]), "127.0.0.1");
