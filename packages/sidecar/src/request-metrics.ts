import {
  addGauge,
  createMetrics,
  Gauge,
  HistogramFamily,
  LabelBound,
  type HistogramSeries,
  type Registry,
} from "@sluice/kit";
import type { Exchange } from "./exchange.ts";
import type { ExchangeRecorder } from "./pipeline.ts";
import { toRouteTag } from "./route-tag.ts";

/** Seconds; Knative's buckets, so that its dashboards fit. */
const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
type DurationLabel = "http_request_method" | "http_response_status_code" | "kn_route_tag";

/** Tags come from clients; series must not grow with them. */
const maxTags = 100;

/** What the pod is, for Prometheus' `target_info`; Knative's series carry none of it. */
export interface MetricIdentity {
  readonly namespace: string;
  readonly service: string;
  readonly configuration: string;
  readonly revision: string;
  readonly pod: string;
}

/** Knative's metrics of a queue-proxy (reference §1.11), by the same names. */
export class RequestMetrics implements ExchangeRecorder {
  readonly registry: Registry;
  readonly #invocation: HistogramFamily<"http_response_status_code">;
  readonly #server: HistogramFamily<DurationLabel>;
  #depth = 0;
  readonly #tags = new LabelBound(maxTags);
  readonly #invocationByStatus = new Map<number, HistogramSeries>();
  readonly #serverByLabels = new Map<string, HistogramSeries>();

  constructor(identity: MetricIdentity) {
    this.registry = createMetrics();
    const { registry } = this;
    this.#invocation = new HistogramFamily({
      name: "kn_serving_invocation_duration_seconds",
      help: "Time from sending a request to the app until its response has ended.",
      buckets: durationBuckets,
      registry,
    });
    this.#server = new HistogramFamily({
      name: "http_server_request_duration_seconds",
      help: "Time from a request's arrival until its response has ended.",
      buckets: durationBuckets,
      registry,
    });
    addGauge(
      registry,
      "kn_serving_queue_depth",
      "Requests at the gate, waiting and running, when the last one arrived.",
      () => this.#depth,
    );
    new Gauge({
      name: "target_info",
      help: "What this process serves.",
      labelNames: Object.keys(toTargetLabels(identity)),
      registers: [registry],
    })
      .labels(toTargetLabels(identity))
      .set(1);
  }

  onQueued(inFlight: number): void {
    this.#depth = inFlight;
  }

  onFinished(exchange: Exchange, nowMs: number): void {
    const { status } = exchange;
    if (exchange.forwardedAtMs > 0)
      this.#findInvocation(status).observe((nowMs - exchange.forwardedAtMs) / 1000);
    this.#findServer(exchange).observe((nowMs - exchange.startedMs) / 1000);
  }

  #findInvocation(status: number): HistogramSeries {
    let series = this.#invocationByStatus.get(status);
    if (series === undefined) {
      series = this.#invocation.add({ http_response_status_code: String(status) });
      this.#invocationByStatus.set(status, series);
    }
    return series;
  }

  #findServer(exchange: Exchange): HistogramSeries {
    const method = toKnownMethod(exchange.method);
    const tag = this.#tags.toLabel(toRouteTag(exchange.head.servingTag, exchange.head.servingDefaultRoute));
    const key = `${method} ${exchange.status} ${tag}`;
    let series = this.#serverByLabels.get(key);
    if (series === undefined) {
      series = this.#server.add({
        http_request_method: method,
        http_response_status_code: String(exchange.status),
        kn_route_tag: tag,
      });
      this.#serverByLabels.set(key, series);
    }
    return series;
  }
}

const knownMethods = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]);

/** Clients invent methods; series must not. The name for the rest is OpenTelemetry's. */
function toKnownMethod(method: string): string {
  return knownMethods.has(method) ? method : "_OTHER";
}

function toTargetLabels(identity: MetricIdentity): Record<string, string> {
  return {
    container_name: "queue-proxy",
    k8s_namespace_name: identity.namespace,
    k8s_pod_name: identity.pod,
    service_name: identity.service || identity.configuration || identity.revision || identity.pod,
    kn_service_name: identity.service,
    kn_configuration_name: identity.configuration,
    kn_revision_name: identity.revision,
  };
}
