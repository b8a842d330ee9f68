import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram, isExecutable } from "../harness/find-program.ts";
import { findFreePort } from "../harness/free-port.ts";
import { startNginx } from "../harness/nginx.ts";
import { startProcess, type StartedProcess } from "../harness/started-process.ts";
import { toRunningSubject, type Subject } from "../harness/subject.ts";
import { temporaryFolder } from "../harness/temporary-folder.ts";
import { waitUntilServed, type WaitOptions } from "../harness/wait-until-served.ts";

type StartPeer = (port: number, upstreamPort: number) => StartedProcess;

export function createPeer(
  name: string,
  findMissing: () => string | undefined,
  startPeer: StartPeer,
  wait: WaitOptions = {},
): Subject {
  return {
    name,
    findMissing,
    async start(upstreamPort) {
      const port = await findFreePort();
      const child = startPeer(port, upstreamPort);
      const url = `http://127.0.0.1:${port}`;
      await waitUntilServed(`${url}/`, child, wait);
      return toRunningSubject(name, url, child);
    },
  };
}

export function missingProgram(name: string): () => string | undefined {
  return () => (findProgram(name) === undefined ? `${name} is not on the PATH` : undefined);
}

export const nginxProxy = createPeer("nginx", missingProgram("nginx"), (port, upstreamPort) =>
  startNginx(
    "proxy",
    `upstream app { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 1000000000; }
    server {
      listen 127.0.0.1:${port};
      client_max_body_size 0;
      location / {
        proxy_pass http://app;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
      }
    }`,
  ),
);

export const haproxy = createPeer("haproxy", missingProgram("haproxy"), (port, upstreamPort) =>
  startHaproxy(port, upstreamPort, ""),
);

/** `protocol`: what is said of it behind the addresses of both sides. */
export function startHaproxy(port: number, upstreamPort: number, protocol: string): StartedProcess {
  const config = join(temporaryFolder(), "haproxy.cfg");
  writeFileSync(
    config,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:${port} ${protocol}
  default_backend app
backend app
  server app 127.0.0.1:${upstreamPort} ${protocol}
`,
  );
  return startProcess({ command: findProgram("haproxy") ?? "haproxy", args: ["-db", "-f", config] });
}

/** Its admin, stats and metrics ports (8022, 9090, 9091) are fixed, so only one can run at a time. */
export function createKnativeProxy(name: string, limit: number, wait: WaitOptions = {}): Subject {
  const binary = process.env["KNATIVE_QUEUE_PROXY"] ?? "";
  const findMissing = (): string | undefined => {
    if (binary === "") return "KNATIVE_QUEUE_PROXY does not name its binary";
    return isExecutable(binary) ? undefined : `KNATIVE_QUEUE_PROXY names ${binary}, which cannot be run`;
  };
  const start: StartPeer = (port, upstreamPort) =>
    startProcess({
      command: binary,
      args: [],
      environment: {
        CONTAINER_CONCURRENCY: String(limit),
        QUEUE_SERVING_PORT: String(port),
        QUEUE_SERVING_TLS_PORT: "8112",
        USER_PORT: String(upstreamPort),
        REVISION_TIMEOUT_SECONDS: "300",
        SERVING_LOGGING_CONFIG: "",
        SERVING_LOGGING_LEVEL: "error",
        SERVING_NAMESPACE: "default",
        SERVING_CONFIGURATION: "bench",
        SERVING_REVISION: "bench-00001",
        SERVING_SERVICE: "bench",
        SERVING_POD: "bench-00001-pod",
        SERVING_POD_IP: "127.0.0.1",
      },
      // It would wait half a minute for requests.
      stopSignal: "SIGKILL",
    });
  return createPeer(name, findMissing, start, wait);
}

export const knativeUnlimited = createKnativeProxy("Knative queue-proxy, no limit", 0);
export const knativeLimited = createKnativeProxy("Knative queue-proxy, limit 10", 10);
