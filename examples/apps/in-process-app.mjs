// An app without a second container: the sidecar's part runs in the app's own process. docs/in-process.md explains it.
//   node examples/apps/in-process-app.mjs
//   curl localhost:8080; curl localhost:9091/metrics; curl localhost:8022/wait-for-drain
import { createServer } from "node:http";
import { InProcessSidecar } from "@sluice/sidecar";
import { WebSocketServer } from "ws";

const env = process.env;
const server = createServer((request, response) => {
  response.writeHead(200, { "content-type": "text/plain" });
  response.end(`hello ${request.headers.host}, this is ${env.HOSTNAME ?? "a laptop"}\n`);
});
new WebSocketServer({ server }).on("connection", (socket) => {
  socket.on("message", (message) => socket.send(message));
});

const sidecar = new InProcessSidecar({
  namespace: env.NAMESPACE ?? "default",
  revision: env.REVISION ?? "greeter-00001",
  pod: env.HOSTNAME ?? "greeter-00001-laptop",
  containerConcurrency: Number(env.CONTAINER_CONCURRENCY ?? 10),
  quietPeriodMs: Number(env.QUIET_PERIOD_MS ?? 30_000),
  ports: {
    stats: Number(env.STATS_PORT ?? 9090),
    metrics: Number(env.METRICS_PORT ?? 9091),
    admin: Number(env.ADMIN_PORT ?? 8022),
  },
});
// Requests and WebSockets, whatever handlers the server has or gets later.
sidecar.attach(server);
const ports = await sidecar.start();

server.listen(Number(env.PORT ?? 8080), () => {
  console.log(`app on ${server.address().port}, stat on ${ports.stats}, metrics on ${ports.metrics}`);
});

// Probes hear 503 from here on; it has been quiet for long enough and nothing is in flight when `stop` is over.
process.once("SIGTERM", () => void sidecar.stop().then(() => server.close()));
