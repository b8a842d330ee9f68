import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findFreePort } from "./free-port.ts";
import { findProgram } from "./find-program.ts";
import { startNginx } from "./nginx.ts";
import { startProcess, type StartedProcess } from "./started-process.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { waitUntilServed } from "./wait-until-served.ts";

export interface Upstream {
  readonly name: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** What every subject stands before: 29 bytes at `/`, and bodies of 64 KiB and 1 MiB at `/64k` and `/1m`. */
export const smallBody = "<h1>Hello from upstream!</h1>";
export const largeBodies: Readonly<Record<string, number>> = { "64k": 64 * 1024, "1m": 1024 * 1024 };

/** nginx where there is one, as it costs the least beside what is measured; else a small server on Node. */
export async function startUpstream(): Promise<Upstream> {
  const port = await findFreePort();
  const hasNginx = findProgram("nginx") !== undefined;
  const child = hasNginx ? startNginxUpstream(port) : startNodeUpstream(port);
  await waitUntilServed(`http://127.0.0.1:${port}/`, child);
  const name = hasNginx ? "nginx, 1 worker" : "node:http server";
  return { name, port, stop: () => child.stop() };
}

/** The same over HTTP/2 by prior knowledge. */
export async function startHttp2Upstream(): Promise<Upstream> {
  const port = await findFreePort();
  const hasNginx = findProgram("nginx") !== undefined;
  const child = hasNginx ? startNginxHttp2Upstream(port) : startNodeUpstream(port, "h2c-server.ts");
  await waitUntilServed(`http://127.0.0.1:${port}/`, child, { isHttp2: true });
  const name = hasNginx ? "nginx, 1 worker" : "node:http2 server";
  return { name, port, stop: () => child.stop() };
}

function startNginxHttp2Upstream(port: number): StartedProcess {
  const files = writeLargeBodies();
  return startNginx(
    "upstream",
    `server {
      listen 127.0.0.1:${port} http2;
      http2_max_concurrent_streams 1000;
      default_type text/html;
      location = / { return 200 "${smallBody}"; }
      location / { root ${files}; open_file_cache max=16; }
    }`,
  );
}

function writeLargeBodies(): string {
  const files = join(temporaryFolder(), "files");
  mkdirSync(files, { recursive: true });
  for (const [name, bytes] of Object.entries(largeBodies))
    writeFileSync(join(files, name), "x".repeat(bytes));
  return files;
}

function startNginxUpstream(port: number): StartedProcess {
  const files = writeLargeBodies();
  return startNginx(
    "upstream",
    `server {
      listen 127.0.0.1:${port};
      default_type text/html;
      client_max_body_size 0;
      client_body_buffer_size 128k;
      location = / { return 200 "${smallBody}"; }
      # As a sidecar answers the activator's probe.
      location = /healthz { return 200 "queue"; }
      location / { root ${files}; open_file_cache max=16; }
    }`,
  );
}

function startNodeUpstream(port: number, file = "bare-server.ts"): StartedProcess {
  const program = join(import.meta.dirname, "..", "programs", file);
  return startProcess({ command: process.execPath, args: [program, String(port)] });
}
