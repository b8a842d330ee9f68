import { defineSettings, logLevels, type Settings } from "@sluice/kit";
import { parseProxies } from "./trusted-proxies.ts";

/** Everything that can be set; each is a variable and a flag. */
export const activatorSettings = defineSettings({
  podName: {
    variable: "POD_NAME",
    kind: "text",
    default: "activator-0",
    summary:
      "Name of this activator: in its stats, and among the feed's activators to find its part of the pods.",
  },
  podIp: {
    variable: "POD_IP",
    kind: "text",
    default: "",
    summary: "Address of this activator, for logs.",
  },
  feed: {
    variable: "SLUICE_FEED",
    kind: "text",
    default: "http://127.0.0.1:8004/v1/feed",
    summary: "The platform's feed: a URL, or a YAML file of the same objects.",
  },
  token: {
    variable: "SLUICE_TOKEN_FILE",
    kind: "file",
    summary: "File with the shared token for feed and stats; without one none is sent.",
  },
  certificateFolder: {
    variable: "SLUICE_CERTIFICATE_FOLDER",
    kind: "folder",
    summary:
      "Folder with ca.crt, the authority by which feed and aggregators are judged where they speak TLS; without one the system's.",
  },
  certificateName: {
    variable: "SLUICE_CERTIFICATE_NAME",
    kind: "text",
    default: "sluice-aggregator",
    summary:
      "Name that the certificates of aggregators must carry, which are reached by their addresses and not by name.",
  },
  bindAddress: {
    variable: "SLUICE_BIND_ADDRESS",
    kind: "text",
    default: "127.0.0.1",
    summary: "Address that every listener binds; only this machine by default.",
  },
  publicPort: {
    variable: "SLUICE_PUBLIC_PORT",
    kind: "port",
    default: 8000,
    summary: "The gateway, where nobody is trusted.",
  },
  adminPort: {
    variable: "SLUICE_ADMIN_PORT",
    kind: "port",
    default: 8001,
    summary: "/healthz, /readyz and /metrics.",
  },
  internalPort: {
    variable: "SLUICE_INTERNAL_PORT",
    kind: "port",
    default: 8002,
    summary: "For an ingress that sets Knative's headers, and for names that only the cluster may use.",
  },
  tlsFolders: {
    variable: "SLUICE_TLS_FOLDERS",
    kind: "list",
    default: [],
    summary:
      "Folders with tls.crt and tls.key; each certificate serves the names in it, the first also all others. Without any there is no TLS.",
  },
  tlsPort: {
    variable: "SLUICE_TLS_PORT",
    kind: "port",
    default: 8443,
    summary: "The gateway over TLS, when there are certificates.",
  },
  tlsReloadMs: {
    variable: "SLUICE_TLS_RELOAD_INTERVAL",
    kind: "durationMs",
    default: 10_000,
    min: 1,
    summary: "How often certificates are looked at for new ones: mounted ones are replaced without a word.",
  },
  trustedProxies: {
    variable: "SLUICE_TRUSTED_PROXIES",
    kind: "parsed",
    parse: parseProxies,
    default: "",
    summary:
      "Addresses or CIDR ranges whose X-Forwarded-* headers are kept on the public listener; nobody's by default.",
  },
  serverTiming: {
    variable: "SLUICE_SERVER_TIMING",
    kind: "boolean",
    default: false,
    summary:
      "Adds a Server-Timing header with the phases of its wait to the response of every request that was held.",
  },
  probeTimeoutMs: {
    variable: "PROBE_TIMEOUT",
    kind: "durationMs",
    default: 300,
    min: 1,
    summary: "How long one probe of a pod may take (Knative's value).",
  },
  probeIntervalMs: {
    variable: "PROBE_FREQUENCY",
    kind: "durationMs",
    default: 200,
    min: 1,
    summary:
      "The slowest cadence of probing a pod; pods that requests wait for are probed every 5 ms at first.",
  },
  connectTimeoutMs: {
    variable: "SLUICE_CONNECT_TIMEOUT",
    kind: "durationMs",
    default: 1000,
    min: 1,
    summary: "How long connecting to a pod may take before another one is asked.",
  },
  maxIdlePerPod: {
    variable: "MAX_IDLE_PROXY_CONNS_PER_HOST",
    kind: "integer",
    default: 100,
    min: 1,
    summary: "Unused connections to one pod that are kept at most.",
  },
  idleTimeoutMs: {
    variable: "SLUICE_IDLE_CONNECTION_TIMEOUT",
    kind: "durationMs",
    default: 30_000,
    min: 1,
    summary:
      "How long an unused connection to a pod is kept; below the sidecar's own limit, so that it never closes first.",
  },
  headerTimeoutMs: {
    variable: "SLUICE_HEADER_TIMEOUT",
    kind: "durationMs",
    default: 60_000,
    min: 1,
    summary: "How long a client may take to send a request's head.",
  },
  maxHeaderBytes: {
    variable: "SLUICE_MAX_HEADER_BYTES",
    kind: "integer",
    default: 1_048_576,
    min: 1024,
    unit: "bytes",
    summary: "Longest head of a request or response; as in the sidecar.",
  },
  maxHeldRequests: {
    variable: "SLUICE_MAX_HELD_REQUESTS",
    kind: "integer",
    default: 20_000,
    min: 0,
    unit: "requests",
    summary: "Requests that may wait for pods in this process; the default keeps it within 512 MiB.",
  },
  maxHeldBytes: {
    variable: "SLUICE_MAX_HELD_BYTES",
    kind: "integer",
    default: 128 * 1024 * 1024,
    min: 0,
    unit: "bytes",
    summary: "Heads and buffered bodies of the requests that may wait in this process.",
  },
  maxHeldRequestsPerRevision: {
    variable: "SLUICE_MAX_HELD_REQUESTS_PER_REVISION",
    kind: "integer",
    default: 20_000,
    min: 0,
    unit: "requests",
    summary: "Requests that may wait for one revision.",
  },
  maxHeldBytesPerRevision: {
    variable: "SLUICE_MAX_HELD_BYTES_PER_REVISION",
    kind: "integer",
    default: 64 * 1024 * 1024,
    min: 0,
    unit: "bytes",
    summary: "Heads and buffered bodies of the requests that may wait for one revision.",
  },
  maxHoldMs: {
    variable: "SLUICE_MAX_HOLD_TIME",
    kind: "durationMs",
    default: 0,
    min: 0,
    summary: "How long a request may wait for a pod; 0 leaves it to the revision's own timeouts.",
  },
  maxRetries: {
    variable: "SLUICE_MAX_RETRIES",
    kind: "integer",
    default: 10,
    min: 0,
    unit: "retries",
    summary:
      "How often a request that never reached an app goes to yet another pod because one was broken; waiting for a slot of a pod that is full does not count.",
  },
  propagationWaitMs: {
    variable: "SLUICE_PROPAGATION_WAIT",
    kind: "durationMs",
    default: 0,
    min: 0,
    summary: "After SIGTERM: how long to serve on while the news that this activator leaves gets round.",
  },
  drainTimeoutMs: {
    variable: "SLUICE_DRAIN_TIMEOUT",
    kind: "durationMs",
    default: 300_000,
    min: 0,
    summary: "After SIGTERM: how long requests that are inside may take to end.",
  },
  metricRevisions: {
    variable: "SLUICE_METRIC_REVISIONS",
    kind: "integer",
    default: 1000,
    min: 1,
    unit: "revisions",
    summary: "Revisions with metric series of their own; later ones are counted together as other.",
  },
  logLevel: {
    variable: "SLUICE_LOG_LEVEL",
    kind: "oneOf",
    choices: logLevels,
    default: "info",
    summary: "The least severe lines that are written.",
  },
});

export type ActivatorSettings = Settings<typeof activatorSettings>;
