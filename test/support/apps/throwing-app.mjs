// An app with the sidecar inside whose handler throws, and which goes on.
import { createServer } from "node:http";
import { InProcessSidecar } from "@sluice/sidecar";

process.on("uncaughtException", (error) => console.log(`uncaught: ${error.message}`));
const sidecar = new InProcessSidecar({
  namespace: "default",
  revision: "r",
  pod: "p",
  containerConcurrency: 1,
});
const server = createServer(
  sidecar.wrap(() => {
    throw new Error("thrown");
  }),
);
server.listen(0, "127.0.0.1", () => console.log(`on ${server.address().port}`));
