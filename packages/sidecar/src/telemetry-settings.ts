import { defineSettings } from "@sluice/kit";
import { parseObservability } from "./observability.ts";
import { parseCipherSuites, parseCurves, parseTlsVersion } from "./tls-names.ts";

const metricsTls = "METRICS_PROMETHEUS_TLS";

/** As Knative has it, where 0 and the system's ports are no ports for metrics. */
function parseMetricsPort(text: string): number | undefined {
  if (text === "") return undefined;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1024 || port > 65_535)
    throw new RangeError("must be a port, 1024 to 65535");
  return port;
}

function parseClientAuth(text: string): "none" | "optional" | "require" {
  const choice = text.trim().toLowerCase();
  if (choice === "" || choice === "none") return "none";
  if (choice === "optional" || choice === "require") return choice;
  throw new RangeError("must be none, optional or require");
}

/** A positive number of milliseconds; undefined when nothing is said. */
function parseMilliseconds(text: string): number | undefined {
  if (text === "") return undefined;
  if (!/^\d+$/.test(text) || Number(text) === 0)
    throw new RangeError("must be a positive number of milliseconds");
  return Number(text);
}

function parseRatio(text: string): number | undefined {
  const ratio = Number(text);
  if (text.trim() === "") return undefined;
  if (!Number.isFinite(ratio) || ratio < 0 || ratio > 1) throw new RangeError("must be a number, 0 to 1");
  return ratio;
}

/** What the sidecar is told about metrics, traces, logs of requests, and profiles, by Knative's and OpenTelemetry's names. */
export const telemetrySettings = defineSettings({
  observability: {
    variable: "OBSERVABILITY_CONFIG",
    kind: "parsed",
    parse: parseObservability,
    default: "",
    summary: "Knative's observability settings as JSON: request metrics, traces, request log and profiling.",
  },
  profilingPort: {
    variable: "PROFILING_PORT",
    kind: "port",
    default: 8008,
    summary: "Where profiles are served under /debug/pprof/, when OBSERVABILITY_CONFIG enables profiling.",
  },
  otelServiceName: {
    variable: "OTEL_SERVICE_NAME",
    kind: "text",
    default: "",
    summary:
      "The service's name in metrics and traces; empty: that of the service, configuration, revision or pod.",
  },
  podName: {
    variable: "POD_NAME",
    kind: "text",
    default: "",
    summary: "The pod's name in metrics and traces; empty: SERVING_POD.",
  },
  otlpEndpoint: {
    variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
    kind: "text",
    default: "",
    summary: "Where metrics and traces are sent, in place of what OBSERVABILITY_CONFIG says.",
  },
  otlpMetricsEndpoint: {
    variable: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    kind: "text",
    default: "",
    summary: "Where metrics are sent, in place of both.",
  },
  otlpTracesEndpoint: {
    variable: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    kind: "text",
    default: "",
    summary: "Where traces are sent, in place of both.",
  },
  metricExportInterval: {
    variable: "OTEL_METRIC_EXPORT_INTERVAL",
    kind: "parsed",
    parse: parseMilliseconds,
    default: "",
    summary:
      "How often metrics are sent, in milliseconds, in place of what OBSERVABILITY_CONFIG says; else a minute.",
  },
  tracesSampler: {
    variable: "OTEL_TRACES_SAMPLER",
    kind: "text",
    default: "",
    summary:
      "OpenTelemetry's sampler, such as parentbased_traceidratio, in place of the samplingRate of OBSERVABILITY_CONFIG.",
  },
  tracesSamplerRatio: {
    variable: "OTEL_TRACES_SAMPLER_ARG",
    kind: "parsed",
    parse: parseRatio,
    default: "",
    summary: "Share of traces that is kept, in place of the samplingRate of OBSERVABILITY_CONFIG.",
  },
  spanDelay: {
    variable: "OTEL_BSP_SCHEDULE_DELAY",
    kind: "parsed",
    parse: parseMilliseconds,
    default: "",
    summary: "How long spans gather before they are sent, in milliseconds; empty: 5000.",
  },
  metricsHost: {
    variable: "METRICS_PROMETHEUS_HOST",
    kind: "text",
    default: "",
    summary: "Address where Prometheus reads, in place of every other setting of it.",
  },
  metricsPortOverride: {
    variable: "METRICS_PROMETHEUS_PORT",
    kind: "parsed",
    parse: parseMetricsPort,
    default: "",
    summary: "Port where Prometheus reads, in place of every other setting of it.",
  },
  metricsCertificate: {
    variable: `${metricsTls}_CERT`,
    kind: "text",
    default: "",
    summary: "Certificate file; with it and its key Prometheus reads over TLS.",
  },
  metricsKey: {
    variable: `${metricsTls}_KEY`,
    kind: "text",
    default: "",
    summary: "That certificate's key file.",
  },
  metricsClientAuth: {
    variable: `${metricsTls}_CLIENT_AUTH`,
    kind: "parsed",
    parse: parseClientAuth,
    default: "none",
    summary:
      "Whether Prometheus must show a certificate: none, optional (if it does, it must be good) or require.",
  },
  metricsClientCa: {
    variable: `${metricsTls}_CLIENT_CA_FILE`,
    kind: "text",
    default: "",
    summary: "File of certificate authorities that vouch for Prometheus.",
  },
  metricsTlsMinVersion: {
    variable: `${metricsTls}_MIN_VERSION`,
    kind: "parsed",
    parse: parseTlsVersion,
    default: "1.3",
    summary: "Lowest TLS version for Prometheus.",
  },
  metricsTlsMaxVersion: {
    variable: `${metricsTls}_MAX_VERSION`,
    kind: "parsed",
    parse: parseTlsVersion,
    default: "1.3",
    summary: "Highest TLS version for Prometheus.",
  },
  metricsCipherSuites: {
    variable: `${metricsTls}_CIPHER_SUITES`,
    kind: "parsed",
    parse: parseCipherSuites,
    default: "",
    summary: "TLS 1.2 cipher suites for Prometheus by Go's names, between commas; empty is Node's choice.",
  },
  metricsCurves: {
    variable: `${metricsTls}_CURVE_PREFERENCES`,
    kind: "parsed",
    parse: parseCurves,
    default: "",
    summary:
      "TLS key exchanges for Prometheus by Go's names, best first, between commas; empty is Node's choice.",
  },
});
