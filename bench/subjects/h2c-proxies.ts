import { startNginx } from "../harness/nginx.ts";
import type { Subject } from "../harness/subject.ts";
import { createKnativeProxy, createPeer, missingProgram, startHaproxy } from "./peer-proxies.ts";

/** Proxies that speak HTTP/2 by prior knowledge on both sides. */
const wait = { isHttp2: true };

/** nginx speaks HTTP/2 to what is behind it only as gRPC, one call at a time on each of many connections. */
const nginxGrpc = createPeer(
  "nginx, grpc_pass",
  missingProgram("nginx"),
  (port, upstreamPort) =>
    startNginx(
      "proxy",
      `upstream app { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 1000000000; }
      server {
        listen 127.0.0.1:${port} http2;
        location / { grpc_pass grpc://app; }
      }`,
    ),
  wait,
);

const haproxy = createPeer(
  "haproxy",
  missingProgram("haproxy"),
  (port, upstreamPort) => startHaproxy(port, upstreamPort, "proto h2"),
  wait,
);

export const h2cPeers: readonly Subject[] = [
  nginxGrpc,
  haproxy,
  createKnativeProxy("Knative queue-proxy, no limit", 0, wait),
  createKnativeProxy("Knative queue-proxy, limit 10", 10, wait),
];
