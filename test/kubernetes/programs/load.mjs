// Calls TARGET with CLIENTS clients, each as soon as its last call was answered, from where pods call from. GET / of its own
// port tells how often what came; GET /stop does so when the last call is over.
import { Agent, createServer, request } from "node:http";

const { TARGET, HOST, CLIENTS, KEEP_ALIVE } = process.env;
const agent = KEEP_ALIVE === "true" ? new Agent({ keepAlive: true }) : false;
const outcomes = {};
const over = new AbortController();

function callOnce() {
  return new Promise((resolve) => {
    const note = (outcome) => {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      resolve();
    };
    const sent = request(TARGET, { agent, headers: { host: HOST } }, (response) => {
      response.resume();
      response.on("error", (error) => note(`answer broken off: ${error.message}`));
      response.on("end", () => note(String(response.statusCode)));
    });
    sent.on("error", (error) => note(error.message));
    sent.end();
  });
}

const calls = Array.from({ length: Number(CLIENTS) }, async () => {
  while (!over.signal.aborted) await callOnce();
});
const server = createServer((asked, response) => {
  const isLast = asked.url === "/stop";
  if (isLast) over.abort();
  response.setHeader("content-type", "application/json");
  void Promise.all(isLast ? calls : []).then(() => response.end(JSON.stringify(outcomes)));
});
server.listen(8080, "0.0.0.0");
process.on("SIGTERM", () => process.exit(0));
