import { createMetrics, Gauge, LabelBound, type HistogramSeries, type Registry } from "@sluice/kit";
import type { Exchange } from "../exchange.ts";
import { isProbe } from "../health-check.ts";
import type { ExchangeRecorder } from "../pipeline.ts";
import { toKnownMethod, toServerAddress } from "./http-attributes.ts";
import { toLabels, toPrometheusName, type Attributes } from "./instrument.ts";
import { RecentLikenesses } from "./likeness.ts";
import { depthInstrument, QueueInstruments } from "./queue-instruments.ts";
import { toRouteTag } from "./route-tag.ts";

/** Tags and hosts come from clients; series must not grow with them. */
const maxTags = 100;
const maxHosts = 100;
/** Combinations of attributes that are told apart, OpenTelemetry's own bound. */
const maxSets = 2000;

/** Where the client's side of an exchange is counted. */
interface ServerSeries {
  readonly duration: HistogramSeries;
  readonly requestSize: HistogramSeries;
  readonly responseSize: HistogramSeries;
}

/** Where the app's side is counted. */
interface ClientSeries {
  readonly duration: HistogramSeries;
  readonly requestSize: HistogramSeries;
}

/** The series of one kind of exchange; those that it does not count in are absent. */
interface SeriesSet {
  readonly server: ServerSeries | undefined;
  readonly client: ClientSeries | undefined;
  readonly invocation: HistogramSeries | undefined;
}

/** Knative's metrics of a queue-proxy (reference §1.11), by the same names. */
export class RequestMetrics implements ExchangeRecorder {
  readonly registry: Registry = createMetrics();
  readonly instruments: QueueInstruments = new QueueInstruments(this.registry);
  readonly #appAddress: Attributes;
  readonly #tags = new LabelBound(maxTags);
  readonly #hosts = new LabelBound(maxHosts);
  readonly #sets = new Map<string, SeriesSet>();
  readonly #recent = new RecentLikenesses<SeriesSet>();
  #depth: number | undefined;

  /** `target`: what the pod is, for Prometheus' `target_info`; Knative's series carry none of it. `app`: where the app is. */
  constructor(target: Attributes, app: { readonly address: string; readonly port?: number }) {
    this.#appAddress = [
      ["server.address", app.address],
      ...(app.port === undefined ? [] : [["server.port", app.port] as const]),
    ];
    addGauge(this.registry, toPrometheusName(depthInstrument), depthInstrument.help, {
      labels: toLabels([], depthInstrument.scope),
      read: () => this.#depth,
    });
    addGauge(this.registry, "target_info", "What this process serves.", {
      labels: toLabels(target),
      read: () => 1,
    });
  }

  /** Requests at the gate when the last one was let through; undefined without a gate. */
  get depth(): number | undefined {
    return this.#depth;
  }

  /** `inFlight`: requests at the gate, waiting and running, this one included. */
  onAdmitted(inFlight: number): void {
    this.#depth = inFlight;
  }

  onFinished(exchange: Exchange, nowMs: number): void {
    const { forwardedAtMs, headAtMs, requestBytes } = exchange;
    const { server, client, invocation } = this.#find(exchange);
    if (client !== undefined) {
      client.duration.observe(((headAtMs === 0 ? nowMs : headAtMs) - forwardedAtMs) / 1000);
      client.requestSize.observe(requestBytes);
    }
    invocation?.observe((nowMs - forwardedAtMs) / 1000);
    if (server === undefined) return;
    server.duration.observe((nowMs - exchange.startedMs) / 1000);
    server.requestSize.observe(requestBytes);
    server.responseSize.observe(exchange.client.bodyBytes);
  }

  #find(exchange: Exchange): SeriesSet {
    const isQuestion = isProbe(exchange.head);
    const last = this.#recent.find(exchange, isQuestion);
    if (last !== undefined) return last;
    const set = this.#lookUp(exchange, isQuestion);
    this.#recent.add(exchange, isQuestion, set);
    return set;
  }

  /** What Knative takes for a probe it sends to the app and counts no further; what never reached the app has no part there. */
  #lookUp(exchange: Exchange, isQuestion: boolean): SeriesSet {
    const tag = this.#tags.toLabel(toRouteTag(exchange.head.servingTag, exchange.head.servingDefaultRoute));
    const server = isQuestion ? undefined : this.#toServerAttributes(exchange, tag);
    const client =
      exchange.forwardedAtMs === 0
        ? undefined
        : this.#toClientAttributes(exchange, isQuestion ? undefined : tag);
    const key = JSON.stringify([client, server]);
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    if (this.#sets.size >= maxSets) return this.#toSet(server && overflow, client && overflow, overflow);
    const set = this.#toSet(server, client, [["http.response.status_code", exchange.status]]);
    this.#sets.set(key, set);
    return set;
  }

  #toServerAttributes(exchange: Exchange, tag: string): Attributes {
    const { arrival, status, askedHost } = exchange;
    const scheme = arrival.socket.encrypted === true ? "https" : "http";
    return [
      ["http.request.method", toKnownMethod(exchange.method)],
      ["http.response.status_code", status],
      ["kn.route.tag", tag],
      ["network.protocol.name", "http"],
      ["network.protocol.version", arrival.httpVersion],
      ...toServerAddress(this.#hosts.toLabel(askedHost), scheme),
      ["url.scheme", scheme],
    ];
  }

  #toClientAttributes(exchange: Exchange, tag: string | undefined): Attributes {
    const { status, failure, arrival } = exchange;
    return [
      ...(failure === undefined ? [] : [["error.type", failure] as const]),
      ["http.request.method", toKnownMethod(exchange.method)],
      ...(failure === undefined ? [["http.response.status_code", status] as const] : []),
      ...(tag === undefined ? [] : [["kn.route.tag", tag] as const]),
      ["network.protocol.name", "http"],
      ["network.protocol.version", arrival.httpVersion],
      ...this.#appAddress,
      ["url.scheme", "http"],
    ];
  }

  #toSet(server: Attributes | undefined, client: Attributes | undefined, app: Attributes): SeriesSet {
    return {
      server: server && {
        duration: this.instruments.serverDuration.with(server),
        requestSize: this.instruments.requestSize.with(server),
        responseSize: this.instruments.responseSize.with(server),
      },
      client: client && {
        duration: this.instruments.clientDuration.with(client),
        requestSize: this.instruments.clientRequestSize.with(client),
      },
      invocation: server && client && this.instruments.invocation.with(app),
    };
  }
}

/** What is beyond the bound, by OpenTelemetry's name. */
const overflow: Attributes = [["otel.metric.overflow", "true"]];

interface LabelledGauge {
  readonly labels: Readonly<Record<string, string>>;
  /** Undefined: nothing was measured, and there is no series. */
  readonly read: () => number | undefined;
}

function addGauge(registry: Registry, name: string, help: string, { labels, read }: LabelledGauge): void {
  const registers: Registry[] = [];
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames: Object.keys(labels),
    registers,
    collect() {
      const value = read();
      if (value !== undefined) gauge.set(labels, value);
    },
  });
  registry.registerMetric(gauge);
}
