import { join } from "node:path";
import { findFreePort } from "../harness/free-port.ts";
import { startProcess } from "../harness/started-process.ts";
import { toRunningSubject, type Subject } from "../harness/subject.ts";
import { waitUntilServed } from "../harness/wait-until-served.ts";

function createNodeSubject(name: string, file: string): Subject {
  return {
    name,
    findMissing: () => undefined,
    async start(upstreamPort) {
      const port = await findFreePort();
      const program = join(import.meta.dirname, "..", "programs", file);
      const child = startProcess({
        command: process.execPath,
        args: [program, String(port), String(upstreamPort)],
      });
      const url = `http://127.0.0.1:${port}`;
      await waitUntilServed(`${url}/`, child);
      return toRunningSubject(name, url, child);
    },
  };
}

/** Answers by itself: the least that any service on `node:http` costs. */
export const bareServer = createNodeSubject("node:http server, no proxy", "bare-server.ts");
/** The proxy that one writes first. */
export const requestPipeProxy = createNodeSubject(
  "node:http + undici request + pipe",
  "request-pipe-proxy.ts",
);
