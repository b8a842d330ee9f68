import type { Counter, Registry } from "prom-client";

/**
 * Counters and histograms for what every request counts. prom-client looks a series up by its labels each time, some two
 * microseconds of hashing and string building; here whoever counts holds the series itself, and only a scrape builds text.
 */
export interface HotFamilyOptions {
  readonly name: string;
  readonly help: string;
  readonly registry: Registry;
}

type Labels<Label extends string> = Readonly<Record<Label, string>>;

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Where it differs from the family's name. */
  readonly metricName?: string;
}

/** All that a registry asks of what is registered with it, beside a `name`. */
interface Collected {
  get(): Promise<unknown>;
}

function register(registry: Registry, family: Collected): void {
  registry.registerMetric(family as Counter);
}

/** One series of a counter. */
export class CounterSeries<Label extends string = string> {
  readonly labels: Labels<Label>;
  value = 0;

  constructor(labels: Labels<Label>) {
    this.labels = labels;
  }
}

export class CounterFamily<Label extends string> {
  readonly name: string;
  readonly #help: string;
  readonly #series = new Set<CounterSeries<Label>>();

  constructor({ name, help, registry }: HotFamilyOptions) {
    this.name = name;
    this.#help = help;
    register(registry, this);
  }

  /** A new series; whoever counts keeps it. Asked twice for the same labels there would be two. */
  add(labels: Labels<Label>): CounterSeries<Label> {
    const series = new CounterSeries(labels);
    this.#series.add(series);
    return series;
  }

  delete(series: CounterSeries<Label>): void {
    this.#series.delete(series);
  }

  /** For the registry. */
  get(): Promise<unknown> {
    const values: Sample[] = Array.from(this.#series, ({ labels, value }) => ({ labels, value }));
    return Promise.resolve({ name: this.name, help: this.#help, type: "counter", aggregator: "sum", values });
  }
}

/** One series of a histogram. */
export class HistogramSeries<Label extends string = string> {
  readonly labels: Labels<Label>;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(labels: Labels<Label>, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  /** How many fell between two bounds; the last is for what is beyond all. */
  get counts(): readonly number[] {
    return this.#counts;
  }

  get sum(): number {
    return this.#sum;
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let place = 0;
    while (place < bounds.length && value > (bounds[place] ?? 0)) place++;
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    this.#sum += value;
  }

  /** As Prometheus has them: each bucket with all that are below it. */
  *collect(name: string): Iterable<Sample> {
    let count = 0;
    for (const [place, own] of this.#counts.entries()) {
      count += own;
      const le = place < this.#bounds.length ? String(this.#bounds[place]) : "+Inf";
      yield { metricName: `${name}_bucket`, labels: { le, ...this.labels }, value: count };
    }
    yield { metricName: `${name}_sum`, labels: this.labels, value: this.#sum };
    yield { metricName: `${name}_count`, labels: this.labels, value: count };
  }
}

export class HistogramFamily<Label extends string> {
  readonly name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #series = new Set<HistogramSeries<Label>>();

  /** `buckets`: upper bounds, rising. */
  constructor({ name, help, registry, buckets }: HotFamilyOptions & { readonly buckets: readonly number[] }) {
    this.name = name;
    this.#help = help;
    this.#bounds = buckets;
    register(registry, this);
  }

  /** A new series; whoever observes keeps it. Asked twice for the same labels there would be two. */
  add(labels: Labels<Label>): HistogramSeries<Label> {
    const series = new HistogramSeries(labels, this.#bounds);
    this.#series.add(series);
    return series;
  }

  delete(series: HistogramSeries<Label>): void {
    this.#series.delete(series);
  }

  /** For the registry. */
  get(): Promise<unknown> {
    const values: Sample[] = [];
    for (const series of this.#series) values.push(...series.collect(this.name));
    return Promise.resolve({
      name: this.name,
      help: this.#help,
      type: "histogram",
      aggregator: "sum",
      values,
    });
  }
}
