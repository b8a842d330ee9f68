import type { SidecarSettings } from "../settings.ts";

/** OTLP's paths over HTTP (OpenTelemetry protocol exporter specification). */
const paths = { metrics: "/v1/metrics", traces: "/v1/traces" } as const;

export type Signal = keyof typeof paths;

/**
 * Where a signal is sent. OpenTelemetry's variables win over Knative's settings; the one for a single signal names the whole address,
 * the one for both only its beginning. Throws RangeError for what is no address.
 */
export function toCollectorUrl(settings: SidecarSettings, signal: Signal): string {
  const isMetrics = signal === "metrics";
  const own = isMetrics ? settings.otlpMetricsEndpoint : settings.otlpTracesEndpoint;
  const { requestMetrics, tracing } = settings.observability;
  const { protocol, endpoint } = isMetrics ? requestMetrics : tracing;
  if (own !== "") return check(own, signal);
  if (settings.otlpEndpoint !== "") {
    const base = check(settings.otlpEndpoint, signal).replace(/\/$/, "");
    return protocol === "grpc" ? base : `${base}${paths[signal]}`;
  }
  const url = check(toUrl(endpoint), signal);
  return protocol === "grpc" || /^\w+:\/\/[^/]+\/./.test(url)
    ? url
    : `${url.replace(/\/$/, "")}${paths[signal]}`;
}

/** As Knative reads it: `collector:4317` alone is spoken to over TLS. */
function toUrl(endpoint: string): string {
  return endpoint.includes("://") ? endpoint : `https://${endpoint}`;
}

function check(text: string, signal: Signal): string {
  if (/^https?:\/\/[^/]/.test(text) && URL.canParse(text)) return text;
  throw new RangeError(`must name a collector for ${signal}, such as http://collector:4318`);
}
