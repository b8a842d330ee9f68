import { createServer, type ServerHttp2Stream } from "node:http2";

/** An HTTP/2 app by prior knowledge that answers everything with 29 bytes: `node h2c-server.ts PORT`. */
const body = "<h1>Hello from upstream!</h1>";
const server = createServer();
server.on("stream", (stream: ServerHttp2Stream) => {
  stream.on("error", () => undefined);
  stream.respond([":status", "200", "content-type", "text/html", "content-length", String(body.length)]);
  stream.end(body);
});
server.listen(Number(process.argv[2]), "127.0.0.1");
