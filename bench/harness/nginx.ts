import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "./find-program.ts";
import { startProcess, type StartedProcess } from "./started-process.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** One nginx of its own, with one worker, which touches no file outside the run's folder. */
export function startNginx(name: string, http: string): StartedProcess {
  const folder = join(temporaryFolder(), name);
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "nginx.conf");
  // Started by root, workers would change their user and could not read the run's folder.
  const user = process.getuid?.() === 0 ? "user root;" : "";
  writeFileSync(
    config,
    `${user}
    daemon off;
    worker_processes 1;
    pid ${folder}/nginx.pid;
    error_log stderr crit;
    events { worker_connections 4096; }
    http {
      access_log off;
      keepalive_timeout 300s;
      keepalive_requests 1000000000;
      client_body_temp_path ${folder}/body;
      proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi;
      scgi_temp_path ${folder}/scgi;
      ${http}
    }`,
  );
  return startProcess({
    command: findProgram("nginx") ?? "nginx",
    args: ["-p", folder, "-e", "stderr", "-c", config],
    stopSignal: "SIGQUIT",
  });
}
