import type { Registry } from "@sluice/kit";
import { HistogramInstrument, type Instrument } from "./instrument.ts";

/** Seconds; Knative's bounds, so that its dashboards fit. */
const durationBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;
/** Bytes; what OpenTelemetry takes when nobody says. */
const sizeBounds = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000] as const;

/** The scopes under which Knative's queue-proxy measures, so that queries that name them find the same. */
export const queueScope = "knative.dev/serving/pkg/queue";
export const httpScope = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp";

export const depthInstrument: Instrument = {
  name: "kn.serving.queue.depth",
  unit: "{request}",
  scope: queueScope,
  help: "Requests at the gate, waiting and running, when the last one was let through.",
};

/** What Knative's queue-proxy measures of each request (reference §1.11). */
export class QueueInstruments {
  readonly #registry: Registry;
  readonly invocation: HistogramInstrument;
  readonly serverDuration: HistogramInstrument;
  readonly requestSize: HistogramInstrument;
  readonly responseSize: HistogramInstrument;
  readonly clientDuration: HistogramInstrument;
  readonly clientRequestSize: HistogramInstrument;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.invocation = this.#create(
      { name: "kn.serving.invocation.duration", unit: "s", scope: queueScope },
      "Time from sending a request to the app until its response has ended.",
    );
    this.serverDuration = this.#create(
      { name: "http.server.request.duration", unit: "s", scope: httpScope },
      "Time from a request's arrival until its response has ended.",
    );
    this.requestSize = this.#create(
      { name: "http.server.request.body.size", unit: "By", scope: httpScope },
      "Bytes of request bodies that clients sent.",
    );
    this.responseSize = this.#create(
      { name: "http.server.response.body.size", unit: "By", scope: httpScope },
      "Bytes of response bodies that clients were sent.",
    );
    this.clientDuration = this.#create(
      { name: "http.client.request.duration", unit: "s", scope: httpScope },
      "Time from sending a request to the app until its response's head.",
    );
    this.clientRequestSize = this.#create(
      { name: "http.client.request.body.size", unit: "By", scope: httpScope },
      "Bytes of request bodies that the app was sent.",
    );
  }

  get all(): readonly HistogramInstrument[] {
    const { invocation, serverDuration, requestSize, responseSize, clientDuration, clientRequestSize } = this;
    return [invocation, serverDuration, requestSize, responseSize, clientDuration, clientRequestSize];
  }

  #create(named: Omit<Instrument, "help">, help: string): HistogramInstrument {
    const bounds = named.unit === "s" ? durationBounds : sizeBounds;
    return new HistogramInstrument({ ...named, help }, bounds, this.#registry);
  }
}
