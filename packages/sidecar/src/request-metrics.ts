import { createMetrics, Gauge, Histogram, LabelBound, type Registry } from "@sluice/kit";
import type { Exchange } from "./exchange.ts";
import type { ExchangeRecorder } from "./pipeline.ts";
import { toRouteTag } from "./route-tag.ts";

/** Seconds; Knative's buckets, so that its dashboards fit. */
const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const durationLabels = ["http_request_method", "http_response_status_code", "kn_route_tag"] as const;

/** Tags come from clients; series must not grow with them. */
const maxTags = 100;

type Observe = (seconds: number) => void;

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
  readonly #invocation: Histogram<"http_response_status_code">;
  readonly #server: Histogram<(typeof durationLabels)[number]>;
  readonly #depth: Gauge;
  readonly #tags = new LabelBound(maxTags);
  // Looking a label set up costs more than counting it, and there are few of them.
  readonly #invocationByStatus = new Map<number, Observe>();
  readonly #serverByLabels = new Map<string, Observe>();

  constructor(identity: MetricIdentity) {
    this.registry = createMetrics();
    const registers = [this.registry];
    this.#invocation = new Histogram({
      name: "kn_serving_invocation_duration_seconds",
      help: "Time from sending a request to the app until its response has ended.",
      labelNames: ["http_response_status_code"],
      buckets: durationBuckets,
      registers,
    });
    this.#server = new Histogram({
      name: "http_server_request_duration_seconds",
      help: "Time from a request's arrival until its response has ended.",
      labelNames: durationLabels,
      buckets: durationBuckets,
      registers,
    });
    this.#depth = new Gauge({
      name: "kn_serving_queue_depth",
      help: "Requests at the gate, waiting and running, when the last one arrived.",
      registers,
    });
    new Gauge({
      name: "target_info",
      help: "What this process serves.",
      labelNames: Object.keys(toTargetLabels(identity)),
      registers,
    })
      .labels(toTargetLabels(identity))
      .set(1);
  }

  onQueued(inFlight: number): void {
    this.#depth.set(inFlight);
  }

  onFinished(exchange: Exchange, nowMs: number): void {
    const { status } = exchange;
    if (exchange.forwardedAtMs > 0) this.#observeInvocation(status)((nowMs - exchange.forwardedAtMs) / 1000);
    this.#observeServer(exchange)((nowMs - exchange.startedMs) / 1000);
  }

  #observeInvocation(status: number): Observe {
    const known = this.#invocationByStatus.get(status);
    if (known !== undefined) return known;
    const child = this.#invocation.labels({ http_response_status_code: status });
    const observe = child.observe.bind(child);
    this.#invocationByStatus.set(status, observe);
    return observe;
  }

  #observeServer(exchange: Exchange): Observe {
    const method = toKnownMethod(exchange.method);
    const tag = this.#tags.toLabel(toRouteTag(exchange.head.servingTag, exchange.head.servingDefaultRoute));
    const key = `${method} ${exchange.status} ${tag}`;
    const known = this.#serverByLabels.get(key);
    if (known !== undefined) return known;
    const child = this.#server.labels({
      http_request_method: method,
      http_response_status_code: exchange.status,
      kn_route_tag: tag,
    });
    const observe = child.observe.bind(child);
    this.#serverByLabels.set(key, observe);
    return observe;
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
