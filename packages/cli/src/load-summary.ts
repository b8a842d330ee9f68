import type { LoadResult } from "./load-run.ts";

/** The figures of one load in the order of the article. Times are milliseconds. */
export interface LoadSummary {
  readonly totalMs: number;
  readonly slowestMs: number;
  readonly fastestMs: number;
  readonly averageMs: number;
  readonly requestsPerSecond: number;
  readonly requests: number;
  readonly bytes: number;
  readonly bytesPerRequest: number;
  readonly histogram: readonly { readonly upToMs: number; readonly count: number }[];
  readonly percentiles: readonly { readonly percent: number; readonly withinMs: number }[];
  readonly statuses: Readonly<Record<string, number>>;
  readonly errors: number;
}

const shownPercents = [10, 25, 50, 75, 90, 95, 99] as const;
const histogramSteps = 10;

export function summarizeLoad(result: LoadResult): LoadSummary {
  const sorted = Float64Array.from(result.latenciesMs).toSorted();
  const requests = sorted.length;
  const fastestMs = sorted[0] ?? 0;
  const slowestMs = sorted.at(-1) ?? 0;
  return {
    totalMs: result.durationMs,
    slowestMs,
    fastestMs,
    averageMs: requests === 0 ? 0 : sorted.reduce((total, latencyMs) => total + latencyMs, 0) / requests,
    requestsPerSecond: requests / (result.durationMs / 1000),
    requests,
    bytes: result.bytes,
    bytesPerRequest: requests === 0 ? 0 : Math.round(result.bytes / requests),
    histogram: toHistogram(sorted, fastestMs, slowestMs),
    percentiles: shownPercents.map((percent) => ({ percent, withinMs: toPercentile(sorted, percent) })),
    statuses: result.statuses,
    errors: result.errors,
  };
}

/** The smallest latency within which `percent` of the requests were answered (nearest rank). */
function toPercentile(sorted: Float64Array, percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
}

/** Even steps from the fastest to the slowest; the first holds the fastest alone, as the article's tool has it. */
function toHistogram(sorted: Float64Array, fastestMs: number, slowestMs: number): LoadSummary["histogram"] {
  if (sorted.length === 0) return [];
  const stepMs = (slowestMs - fastestMs) / histogramSteps;
  const steps = Array.from({ length: histogramSteps + 1 }, (_, index) => ({
    upToMs: index === histogramSteps ? slowestMs : fastestMs + index * stepMs,
    count: 0,
  }));
  let index = 0;
  for (const latencyMs of sorted) {
    while (index < histogramSteps && latencyMs > (steps[index]?.upToMs ?? Infinity)) index++;
    const step = steps[index];
    if (step !== undefined) step.count++;
  }
  return steps;
}
