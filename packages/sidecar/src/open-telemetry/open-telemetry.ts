import { setTimeout } from "node:timers/promises";
import { diag, DiagLogLevel } from "@opentelemetry/api";
import {
  detectResources,
  envDetector,
  defaultResource,
  resourceFromAttributes,
  type Resource,
} from "@opentelemetry/resources";
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from "@opentelemetry/sdk-metrics";
import {
  BatchSpanProcessor,
  ConsoleSpanExporter,
  TracerProvider,
  type SpanExporter,
} from "@opentelemetry/sdk-trace";
import type { Logger } from "@sluice/kit";
import type { ExchangeTracer } from "../exchange.ts";
import type { Attributes } from "../metrics/instrument.ts";
import type { RequestMetrics } from "../metrics/request-metrics.ts";
import type { SidecarSettings } from "../settings.ts";
import { toCollectorUrl } from "./collector-url.ts";
import { SpanTracer } from "./exchange-tracer.ts";
import { RequestMetricProducer } from "./metric-producer.ts";
import { addRuntimeMetrics } from "./runtime-metrics.ts";
import { toSampler } from "./sampler.ts";

/** What is sent to a collector. Everything here is loaded only when it was configured. */
export interface OpenTelemetry {
  /** Present when traces were asked for. */
  readonly tracer: ExchangeTracer | undefined;
  /** Sends what has gathered, and ends. */
  shutdown(): Promise<void>;
}

const metricsIntervalMs = 60_000;
/** What a collector gets to take what has gathered when the sidecar ends. */
const lastExportMs = 3000;

/** `target`: what this process is. `metrics` are sent when their protocol is one of OpenTelemetry's. Throws RangeError for a setting that is none. */
export async function startOpenTelemetry(
  settings: SidecarSettings,
  target: Attributes,
  metrics: RequestMetrics | undefined,
  log: Logger,
): Promise<OpenTelemetry> {
  sayProblems(log);
  const resource = toResource(target);
  const meterProvider = await startMetrics(settings, metrics, resource);
  const tracerProvider = await startTraces(settings, resource);
  return {
    tracer:
      tracerProvider &&
      new SpanTracer(tracerProvider, { address: settings.appAddress, port: settings.userPort }),
    async shutdown() {
      const sent = Promise.allSettled([meterProvider?.shutdown(), tracerProvider?.shutdown()]);
      // A collector that is not there is tried again and again, but must not keep the pod.
      const limit = new AbortController();
      await Promise.race([sent, setTimeout(lastExportMs, undefined, { signal: limit.signal })]);
      limit.abort();
    },
  };
}

/** The libraries keep to themselves that a collector cannot be reached. */
function sayProblems(log: Logger): void {
  const say = (message: string, ...more: unknown[]): void =>
    log.warn({ source: "OpenTelemetry", more: more.length > 0 ? more.map(String) : undefined }, message);
  const hush = (): void => undefined;
  diag.setLogger({ error: say, warn: say, info: hush, debug: hush, verbose: hush }, DiagLogLevel.WARN);
}

function toResource(target: Attributes): Resource {
  const own = resourceFromAttributes(Object.fromEntries(target));
  return defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }));
}

async function startMetrics(
  settings: SidecarSettings,
  metrics: RequestMetrics | undefined,
  resource: Resource,
): Promise<MeterProvider | undefined> {
  const { protocol, intervalMs } = settings.observability.requestMetrics;
  if (metrics === undefined || (protocol !== "grpc" && protocol !== "http/protobuf")) return undefined;
  const exportIntervalMillis = settings.metricExportInterval ?? intervalMs ?? metricsIntervalMs;
  const reader = new PeriodicExportingMetricReader({
    exporter: await createMetricExporter(protocol, toCollectorUrl(settings, "metrics")),
    exportIntervalMillis,
    exportTimeoutMillis: Math.min(30_000, exportIntervalMillis),
    metricProducers: [new RequestMetricProducer(metrics, performance.timeOrigin)],
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  addRuntimeMetrics(provider);
  return provider;
}

async function createMetricExporter(
  protocol: "grpc" | "http/protobuf",
  url: string,
): Promise<PushMetricExporter> {
  const { OTLPMetricExporter } =
    protocol === "grpc"
      ? await import("@opentelemetry/exporter-metrics-otlp-grpc")
      : await import("@opentelemetry/exporter-metrics-otlp-proto");
  return new OTLPMetricExporter({ url });
}

async function startTraces(
  settings: SidecarSettings,
  resource: Resource,
): Promise<TracerProvider | undefined> {
  const { protocol } = settings.observability.tracing;
  if (protocol === "none") return undefined;
  const sampler = toSampler(settings);
  const exporter =
    protocol === "stdout"
      ? new ConsoleSpanExporter()
      : await createSpanExporter(protocol, toCollectorUrl(settings, "traces"));
  const scheduledDelayMillis = settings.spanDelay;
  const processor = new BatchSpanProcessor({
    exporter,
    ...(scheduledDelayMillis !== undefined && { scheduledDelayMillis }),
  });
  return new TracerProvider({ resource, sampler, spanProcessors: [processor] });
}

async function createSpanExporter(protocol: "grpc" | "http/protobuf", url: string): Promise<SpanExporter> {
  const { OTLPTraceExporter } =
    protocol === "grpc"
      ? await import("@opentelemetry/exporter-trace-otlp-grpc")
      : await import("@opentelemetry/exporter-trace-otlp-proto");
  return new OTLPTraceExporter({ url });
}
