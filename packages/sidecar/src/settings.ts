import { defineSettings, type Settings } from "@sluice/kit";
import { parseAppProbes } from "./app-probe.ts";
import { parsePeerTrust } from "./peer-trust.ts";
import { telemetrySettings } from "./telemetry-settings.ts";
import { parseCipherSuites, parseCurves, parseTlsVersion } from "./tls-names.ts";

/** Checked here, so that a mistake is reported with all others; read once the app's port is known. */
function parseProbeText(text: string): string {
  parseAppProbes(text, 0);
  return text;
}

/** Knative's integers may be missing; an empty text is a mistake there as well. */
const seconds = { kind: "number", min: 0, unit: "seconds" } as const;

/**
 * Everything that the sidecar can be told. The first part has Knative's names, so that what starts a queue-proxy can
 * start this; the rest are constants of Knative's, with its values as defaults, and our own additions.
 */
export const sidecarSettings = defineSettings({
  containerConcurrency: {
    variable: "CONTAINER_CONCURRENCY",
    kind: "integer",
    required: true,
    unit: "requests",
    summary: "Requests that the app runs at once; 0 or less is no limit.",
  },
  servingPort: {
    variable: "QUEUE_SERVING_PORT",
    kind: "port",
    required: true,
    summary: "Where requests arrive, HTTP/1.1 and h2c alike.",
  },
  servingTlsPort: {
    variable: "QUEUE_SERVING_TLS_PORT",
    kind: "port",
    required: true,
    summary: "Where requests arrive over TLS; opened only when there is a certificate.",
  },
  userPort: { variable: "USER_PORT", kind: "port", required: true, summary: "Where the app listens." },
  requestTimeout: {
    variable: "REVISION_TIMEOUT_SECONDS",
    ...seconds,
    required: true,
    summary: "How long a request may take in all; 0 ends every request at once, as in Knative.",
  },
  responseStartTimeout: {
    variable: "REVISION_RESPONSE_START_TIMEOUT_SECONDS",
    ...seconds,
    default: 0,
    summary: "How long the first byte of a response may take; 0 is no limit.",
  },
  idleTimeout: {
    variable: "REVISION_IDLE_TIMEOUT_SECONDS",
    ...seconds,
    default: 0,
    summary: "How long a response may stand still; 0 is no limit.",
  },
  readinessProbe: {
    variable: "SERVING_READINESS_PROBE",
    kind: "parsed",
    parse: parseProbeText,
    default: "",
    summary: "Kubernetes probe of the app as JSON, or a list of them; empty: the app is always ready.",
  },
  enableFullDuplex: {
    variable: "ENABLE_HTTP_FULL_DUPLEX",
    kind: "boolean",
    default: false,
    summary: "Read here for Knative's sake; requests and responses always flow at the same time.",
  },
  enableHttp2Detection: {
    variable: "ENABLE_HTTP2_AUTO_DETECTION",
    kind: "boolean",
    default: false,
    summary: "HTTP probes try h2c first.",
  },
  enableMultiContainerProbes: {
    variable: "ENABLE_MULTI_CONTAINER_PROBES",
    kind: "boolean",
    default: false,
    summary: "Read here for Knative's sake; SERVING_READINESS_PROBE shows itself whether it is a list.",
  },
  loggingConfig: {
    variable: "SERVING_LOGGING_CONFIG",
    kind: "text",
    required: true,
    summary: "Knative's zap configuration as JSON; its level counts when SERVING_LOGGING_LEVEL is empty.",
  },
  loggingLevel: {
    variable: "SERVING_LOGGING_LEVEL",
    kind: "text",
    required: true,
    summary: "debug, info, warn or error; empty is info.",
  },
  namespace: {
    variable: "SERVING_NAMESPACE",
    kind: "text",
    required: true,
    summary: "The revision's namespace.",
  },
  configuration: {
    variable: "SERVING_CONFIGURATION",
    kind: "text",
    required: true,
    summary: "Knative's configuration name, for metrics and logs.",
  },
  revision: { variable: "SERVING_REVISION", kind: "text", required: true, summary: "The revision's name." },
  pod: {
    variable: "SERVING_POD",
    kind: "text",
    required: true,
    summary: "The pod's name, as it is in every stat.",
  },
  podIp: {
    variable: "SERVING_POD_IP",
    kind: "text",
    required: true,
    summary: "The pod's address, for the request log.",
  },
  service: {
    variable: "SERVING_SERVICE",
    kind: "text",
    default: "",
    summary: "The service's name, for metrics and logs.",
  },
  ...telemetrySettings,
  tlsMinVersion: {
    variable: "QUEUE_PROXY_TLS_MIN_VERSION",
    kind: "parsed",
    parse: parseTlsVersion,
    default: "1.3",
    summary: "Lowest TLS version that is accepted.",
  },
  tlsMaxVersion: {
    variable: "QUEUE_PROXY_TLS_MAX_VERSION",
    kind: "parsed",
    parse: parseTlsVersion,
    default: "1.3",
    summary: "Highest TLS version that is offered.",
  },
  tlsCipherSuites: {
    variable: "QUEUE_PROXY_TLS_CIPHER_SUITES",
    kind: "parsed",
    parse: parseCipherSuites,
    default: "",
    summary:
      "TLS 1.2 cipher suites by Go's names, between commas; empty is Node's choice. Those of TLS 1.3 are always on.",
  },
  tlsCurves: {
    variable: "QUEUE_PROXY_TLS_CURVE_PREFERENCES",
    kind: "parsed",
    parse: parseCurves,
    default: "",
    summary: "TLS key exchanges by Go's names, best first, between commas; empty is Node's choice.",
  },
  certificateFolder: {
    variable: "SLUICE_CERTIFICATE_FOLDER",
    kind: "text",
    default: "/var/lib/knative/certs",
    summary: "Folder with tls.crt and tls.key; TLS is served when both are there at the start.",
  },
  certificateReload: {
    variable: "SLUICE_CERTIFICATE_RELOAD",
    kind: "durationMs",
    default: 60_000,
    min: 10,
    summary: "How often the certificate files are looked at for a change.",
  },
  bindAddress: {
    variable: "SLUICE_BIND_ADDRESS",
    kind: "text",
    default: "::",
    summary: "Address of every port; the default is all, IPv4 included.",
  },
  appAddress: {
    variable: "SLUICE_APP_ADDRESS",
    kind: "text",
    default: "127.0.0.1",
    summary: "Where the app is; Knative knows no other than this machine.",
  },
  adminPort: {
    variable: "SLUICE_ADMIN_PORT",
    kind: "port",
    default: 8022,
    summary: "Where /wait-for-drain is answered.",
  },
  statsPort: {
    variable: "SLUICE_STATS_PORT",
    kind: "port",
    default: 9090,
    summary: "Where autoscalers read the stat.",
  },
  metricsPort: {
    variable: "SLUICE_METRICS_PORT",
    kind: "port",
    default: 9091,
    summary: "Where Prometheus reads metrics.",
  },
  trustedPeers: {
    variable: "SLUICE_TRUSTED_PEERS",
    kind: "parsed",
    parse: parsePeerTrust,
    default: "",
    summary:
      "Addresses and CIDR ranges that may set internal headers; empty trusts everybody, as Knative does.",
  },
  queueDepthFactor: {
    variable: "SLUICE_QUEUE_DEPTH_FACTOR",
    kind: "integer",
    default: 10,
    min: 0,
    summary: "Requests that may wait, per request that may run.",
  },
  quietPeriod: {
    variable: "SLUICE_QUIET_PERIOD",
    kind: "durationMs",
    default: 30_000,
    min: 0,
    summary: "Draining ends when no request has started for so long: routes to this pod need time to vanish.",
  },
  drainResetDelay: {
    variable: "SLUICE_DRAIN_RESET_DELAY",
    kind: "durationMs",
    default: 1000,
    min: 0,
    summary: "A drain that /wait-for-drain began is taken back when no SIGTERM came for so long.",
  },
  hijackDrain: {
    variable: "SLUICE_HIJACK_DRAIN",
    kind: "durationMs",
    default: 60_000,
    min: 0,
    summary: "How long requests and WebSockets in flight may go on after the quiet period.",
  },
  probeInterval: {
    variable: "SLUICE_PROBE_INTERVAL",
    kind: "durationMs",
    default: 50,
    min: 1,
    summary: "How often an app that is starting is probed, when its probe has no period.",
  },
  probeAttemptTimeout: {
    variable: "SLUICE_PROBE_ATTEMPT_TIMEOUT",
    kind: "durationMs",
    default: 100,
    min: 1,
    summary: "How long one of those attempts may take.",
  },
  probeTimeout: {
    variable: "SLUICE_PROBE_TIMEOUT",
    kind: "durationMs",
    default: 10_000,
    min: 1,
    summary: "How long those attempts go on before the answer is no.",
  },
  reportPeriod: {
    variable: "SLUICE_REPORT_PERIOD",
    kind: "durationMs",
    default: 1000,
    min: 10,
    summary: "How often the stat is renewed.",
  },
  headerTimeout: {
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
    summary: "Longest head of a request or response.",
  },
  connectTimeout: {
    variable: "SLUICE_CONNECT_TIMEOUT",
    kind: "durationMs",
    default: 20_000,
    min: 1,
    summary: "How long connecting to the app may take.",
  },
  appIdleTimeout: {
    variable: "SLUICE_APP_IDLE_TIMEOUT",
    kind: "durationMs",
    default: 4000,
    min: 1,
    summary:
      "How long an idle connection to an app that names no time is kept: less than what common servers keep.",
  },
});

export type SidecarSettings = Settings<typeof sidecarSettings>;
