import { HistogramFamily, type HistogramSeries, type Registry } from "@sluice/kit";

/** Names and values by OpenTelemetry's names, as `http.request.method`. */
export type Attributes = readonly (readonly [string, string | number])[];

/** What is measured, in OpenTelemetry's words; Prometheus' name comes from these. */
export interface Instrument {
  readonly name: string;
  readonly unit: "s" | "By" | "{request}";
  readonly help: string;
  /** Who measures, as Knative's queue-proxy names it. */
  readonly scope: string;
}

const unitSuffixes: Readonly<Record<Instrument["unit"], string>> = {
  s: "_seconds",
  By: "_bytes",
  "{request}": "",
};

/** A name as OpenTelemetry's exporter for Prometheus makes it: `http.server.request.duration` in `s` is `http_server_request_duration_seconds`. */
export function toPrometheusName({ name, unit }: Instrument): string {
  return `${name.replaceAll(".", "_")}${unitSuffixes[unit]}`;
}

/** Labels as that exporter makes them, with those of the scope where there is one. */
export function toLabels(attributes: Attributes, scope?: string): Readonly<Record<string, string>> {
  const named = attributes.map(([name, value]) => [name.replaceAll(".", "_"), String(value)]);
  const scoped = { otel_scope_name: scope, otel_scope_schema_url: "", otel_scope_version: "" };
  return { ...Object.fromEntries(named), ...(scope !== undefined && scoped) };
}

/** A histogram that Prometheus reads from a registry and that OpenTelemetry's exporters can read as well. */
export class HistogramInstrument {
  readonly instrument: Instrument;
  readonly bounds: readonly number[];
  readonly #family: HistogramFamily<string>;
  readonly #points = new Map<string, { readonly attributes: Attributes; readonly series: HistogramSeries }>();

  constructor(instrument: Instrument, bounds: readonly number[], registry: Registry) {
    const { help } = instrument;
    this.instrument = instrument;
    this.bounds = bounds;
    this.#family = new HistogramFamily({
      name: toPrometheusName(instrument),
      help,
      buckets: bounds,
      registry,
    });
  }

  get points(): Iterable<{ readonly attributes: Attributes; readonly series: HistogramSeries }> {
    return this.#points.values();
  }

  /** The series with these attributes. Keep it: finding it is what costs. */
  with(attributes: Attributes): HistogramSeries {
    const key = JSON.stringify(attributes);
    const known = this.#points.get(key);
    if (known !== undefined) return known.series;
    const series = this.#family.add(toLabels(attributes, this.instrument.scope));
    this.#points.set(key, { attributes, series });
    return series;
  }
}
