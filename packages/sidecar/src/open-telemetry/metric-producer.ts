import { ValueType, type Attributes as OtelAttributes, type HrTime } from "@opentelemetry/api";
import { millisToHrTime, type InstrumentationScope } from "@opentelemetry/core";
import { emptyResource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  DataPointType,
  type CollectionResult,
  type HistogramMetricData,
  type MetricData,
  type MetricProducer,
} from "@opentelemetry/sdk-metrics";
import type { HistogramSeries } from "@sluice/kit";
import type { Attributes, HistogramInstrument, Instrument } from "../metrics/instrument.ts";
import { depthInstrument } from "../metrics/queue-instruments.ts";
import type { RequestMetrics } from "../metrics/request-metrics.ts";

/** Hands the request metrics to OpenTelemetry's exporters. They are counted once, whoever reads them. */
export class RequestMetricProducer implements MetricProducer {
  readonly #metrics: RequestMetrics;
  readonly #startTime: HrTime;

  constructor(metrics: RequestMetrics, startedAt: number) {
    this.#metrics = metrics;
    this.#startTime = millisToHrTime(startedAt);
  }

  async collect(): Promise<CollectionResult> {
    const endTime = millisToHrTime(Date.now());
    const byScope = new Map<string, MetricData[]>();
    for (const { instrument, data } of this.#toData(endTime)) {
      const known = byScope.get(instrument.scope);
      if (known === undefined) byScope.set(instrument.scope, [data]);
      else known.push(data);
    }
    const scopeMetrics = [...byScope].map(([name, metrics]) => ({ scope: toScope(name), metrics }));
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors: [] };
  }

  #toData(endTime: HrTime): { instrument: Instrument; data: MetricData }[] {
    const { instruments, depth } = this.#metrics;
    const all: { instrument: Instrument; data: MetricData }[] = instruments.all
      .map((each) => ({ instrument: each.instrument, data: this.#toHistogram(each, endTime) }))
      .filter(({ data }) => data.dataPoints.length > 0);
    if (depth === undefined) return all;
    const dataPoints = [{ startTime: this.#startTime, endTime, attributes: {}, value: depth }];
    const data = {
      ...toBase(depthInstrument, ValueType.INT),
      dataPointType: DataPointType.GAUGE as const,
      dataPoints,
    };
    return [...all, { instrument: depthInstrument, data }];
  }

  #toHistogram({ instrument, bounds, points }: HistogramInstrument, endTime: HrTime): HistogramMetricData {
    const dataPoints = [...points].map(({ attributes, series }) => ({
      startTime: this.#startTime,
      endTime,
      attributes: toOtelAttributes(attributes),
      value: toHistogramValue(series, bounds),
    }));
    const valueType = instrument.unit === "s" ? ValueType.DOUBLE : ValueType.INT;
    return { ...toBase(instrument, valueType), dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
}

function toBase(
  { name, help, unit }: Instrument,
  valueType: ValueType,
): {
  descriptor: { name: string; description: string; unit: string; valueType: ValueType };
  aggregationTemporality: AggregationTemporality;
} {
  return {
    descriptor: { name, description: help, unit, valueType },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
}

function toHistogramValue(
  { counts, sum }: HistogramSeries,
  bounds: readonly number[],
): {
  buckets: { boundaries: number[]; counts: number[] };
  sum: number;
  count: number;
} {
  const count = counts.reduce((total, each) => total + each, 0);
  return { buckets: { boundaries: [...bounds], counts: [...counts] }, sum, count };
}

function toOtelAttributes(attributes: Attributes): OtelAttributes {
  return Object.fromEntries(attributes);
}

function toScope(name: string): InstrumentationScope {
  return { name };
}
