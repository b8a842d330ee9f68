import { readFileSync } from "node:fs";
import type { ServerOptions } from "node:https";
import type { SettingsProblem } from "@sluice/kit";
import type { SidecarSettings } from "../settings.ts";
import { toTlsOptions } from "../tls-names.ts";

/** Where Prometheus reads. */
export interface MetricsEndpoint {
  readonly host: string;
  readonly port: number;
}

/** Our own port, unless Knative's settings name another. Throws RangeError for an address that is none. */
export function toMetricsEndpoint(settings: SidecarSettings): MetricsEndpoint {
  const { endpoint } = settings.observability.requestMetrics;
  const configured = endpoint === "" ? undefined : parseListenAddress(endpoint);
  return {
    host: settings.metricsHost || configured?.host || settings.bindAddress,
    port: settings.metricsPortOverride ?? configured?.port ?? settings.metricsPort,
  };
}

function parseListenAddress(endpoint: string): MetricsEndpoint {
  const [, bracketed, plain = "", port = ""] = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(endpoint) ?? [];
  if (port === "" || Number(port) > 65_535) {
    throw new RangeError("must have host:port, [host]:port or :port as requestMetrics.endpoint");
  }
  return { host: bracketed ?? plain, port: Number(port) };
}

const prefix = "METRICS_PROMETHEUS_TLS";

/** What is wrong with the settings for TLS taken together, by Knative's rules. */
export function findMetricsTlsProblem(settings: SidecarSettings): SettingsProblem | undefined {
  const { metricsCertificate, metricsKey, metricsClientAuth, metricsClientCa } = settings;
  const hasCertificate = metricsCertificate !== "";
  if (hasCertificate !== (metricsKey !== "")) {
    return { name: `${prefix}_${hasCertificate ? "KEY" : "CERT"}`, rule: "must be set as well" };
  }
  const asks = metricsClientAuth !== "none";
  if (!hasCertificate && (asks || metricsClientCa !== "")) {
    return { name: `${prefix}_CERT`, rule: "must be set where clients are judged by certificates" };
  }
  if (asks && metricsClientCa === "") {
    return { name: `${prefix}_CLIENT_CA_FILE`, rule: "must be set where clients are judged by certificates" };
  }
  if (!asks && metricsClientCa !== "") {
    return {
      name: `${prefix}_CLIENT_AUTH`,
      rule: "must be optional or require where there is a CLIENT_CA_FILE",
    };
  }
  return undefined;
}

/** Undefined without a certificate. Throws the system's error for a file that cannot be read. */
export function readMetricsTls(settings: SidecarSettings): ServerOptions | undefined {
  if (settings.metricsCertificate === "") return undefined;
  const auth = settings.metricsClientAuth;
  return {
    ...toTlsOptions({
      minVersion: settings.metricsTlsMinVersion,
      maxVersion: settings.metricsTlsMaxVersion,
      cipherSuites: settings.metricsCipherSuites,
      curves: settings.metricsCurves,
    }),
    cert: readFileSync(settings.metricsCertificate),
    key: readFileSync(settings.metricsKey),
    ...(auth !== "none" && { ca: readFileSync(settings.metricsClientCa), requestCert: true }),
    rejectUnauthorized: auth === "require",
  };
}
