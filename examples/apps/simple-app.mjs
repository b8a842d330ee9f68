// The article's first sample: one line of HTML with the text of SIMPLE_MSG.
import { createServer } from "node:http";

const page = `<h1>${process.env.SIMPLE_MSG ?? "Hello World"}</h1>\n`;
const headers = { "content-type": "text/html; charset=utf-8", "content-length": Buffer.byteLength(page) };

const server = createServer((_request, response) => {
  response.writeHead(200, headers);
  response.end(page);
});

server.listen(Number(process.env.PORT ?? 8080), "0.0.0.0");
process.on("SIGTERM", () => server.close());
