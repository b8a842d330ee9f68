import type { Logger } from "@sluice/kit";
import type { Binding } from "./bindings.ts";
import { createMetricsListener } from "./control-listeners.ts";
import type { ExchangeTracer } from "./exchange.ts";
import { readMetricsTls, toMetricsEndpoint } from "./metrics/metrics-endpoint.ts";
import { RequestMetrics } from "./metrics/request-metrics.ts";
import { toTarget } from "./metrics/target.ts";
import type { OpenTelemetry } from "./open-telemetry/open-telemetry.ts";
import type { ExchangeRecorder } from "./pipeline.ts";
import { RequestLog } from "./request-log.ts";
import type { SidecarSettings } from "./settings.ts";

/** What a sidecar tells of its requests, to whomever its settings name. */
export interface Telemetry {
  readonly recorders: readonly ExchangeRecorder[];
  readonly tracer: ExchangeTracer | undefined;
  /** What is read rather than sent. */
  readonly bindings: readonly Binding[];
  /** Sends what has gathered. */
  shutdown(): Promise<void>;
}

/** Rejects with the system's error for a certificate that cannot be read. */
export async function createTelemetry(settings: SidecarSettings, log: Logger): Promise<Telemetry> {
  const metrics = createRequestMetrics(settings);
  const opened = await openTelemetry(settings, metrics, log);
  const recorders = [metrics, createRequestLog(settings)].filter((recorder) => recorder !== undefined);
  const bindings = [createMetricsBinding(settings, metrics), await createProfilingBinding(settings)];
  return {
    recorders,
    tracer: opened?.tracer,
    bindings: bindings.filter((binding) => binding !== undefined),
    shutdown: async () => opened?.shutdown(),
  };
}

function createRequestMetrics(settings: SidecarSettings): RequestMetrics | undefined {
  if (settings.observability.requestMetrics.protocol === "none") return undefined;
  return new RequestMetrics(toTarget(settings), { address: settings.appAddress, port: settings.userPort });
}

/** Loaded only when something is to be sent: OpenTelemetry's libraries take longer to start than everything else here. */
async function openTelemetry(
  settings: SidecarSettings,
  metrics: RequestMetrics | undefined,
  log: Logger,
): Promise<OpenTelemetry | undefined> {
  const { requestMetrics, tracing } = settings.observability;
  const isPushed = requestMetrics.protocol === "grpc" || requestMetrics.protocol === "http/protobuf";
  if (!isPushed && tracing.protocol === "none") return undefined;
  const { startOpenTelemetry } = await import("./open-telemetry/open-telemetry.ts");
  return await startOpenTelemetry(settings, toTarget(settings), metrics, log);
}

function createMetricsBinding(
  settings: SidecarSettings,
  metrics: RequestMetrics | undefined,
): Binding | undefined {
  if (metrics === undefined || settings.observability.requestMetrics.protocol !== "prometheus")
    return undefined;
  const { host, port } = toMetricsEndpoint(settings);
  const server = createMetricsListener(metrics.registry, readMetricsTls(settings));
  return { name: "metrics", server, port, address: host };
}

/** Loaded only where it is wanted. */
async function createProfilingBinding(settings: SidecarSettings): Promise<Binding | undefined> {
  if (!settings.observability.isProfilingEnabled) return undefined;
  const { createProfilingListener } = await import("./profiling/profiling-listener.ts");
  return { name: "profiling", server: createProfilingListener(), port: settings.profilingPort };
}

function createRequestLog(settings: SidecarSettings): ExchangeRecorder | undefined {
  const { requestLogTemplate: template, logsProbes } = settings.observability;
  if (template === undefined) return undefined;
  const identity = {
    Name: settings.revision,
    Namespace: settings.namespace,
    Service: settings.service,
    Configuration: settings.configuration,
    PodName: settings.pod,
    PodIP: settings.podIp,
  };
  const write = (line: string): void => void process.stdout.write(line, "latin1");
  return new RequestLog({ template, logsProbes, identity, write });
}
