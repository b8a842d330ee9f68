import { createServer } from "node:http";
import { WebSocketServer } from "ws";

/** A WebSocket app that sends every message back: `node echo-server.ts PORT`. Plain requests get 200. */
const server = createServer((_request, response) => response.end("echo"));
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.listen(Number(process.argv[2]), "127.0.0.1");
