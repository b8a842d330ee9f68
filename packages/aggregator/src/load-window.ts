import type { AggregationAlgorithm, ScalingMetric } from "@sluice/core";

/** Values per second: concurrency and requests side by side, since every stat brings both. */
const valuesPerBucket = 2;
const metricOffsets: Readonly<Record<ScalingMetric, number>> = { concurrency: 0, rps: 1 };
const precision = 1e6;
/** Weights below it change no double that load can be. */
const leastWeight = 1e-18;

/**
 * Load of one revision over the last seconds, one bucket a second in a ring. What several sources report for one
 * second adds up. Times are whole seconds of one clock. The averages are Knative's (reference §3.4): linear leaves
 * out the seconds before the first and after the last report, and counts gaps between them as zero.
 */
export class LoadWindow {
  #buckets: Float64Array;
  #seconds: number;
  #smoothing: number;
  #firstWrite = Number.NaN;
  #lastWrite = Number.NEGATIVE_INFINITY;
  /** Running sums, as Knative keeps them: summing afresh would round some averages differently. */
  readonly #totals = new Float64Array(valuesPerBucket);

  constructor(seconds: number) {
    this.#buckets = new Float64Array(seconds * valuesPerBucket);
    this.#seconds = seconds;
    this.#smoothing = toSmoothing(seconds);
  }

  get seconds(): number {
    return this.#seconds;
  }

  /** The newest second that has a report; minus infinity without any. */
  get lastWrite(): number {
    return this.#lastWrite;
  }

  /** Whether nothing was reported for longer than the window. */
  isEmpty(nowSecond: number): boolean {
    return nowSecond - this.#lastWrite > this.#seconds;
  }

  /** Adds to the second's bucket. Reports a whole window older than the newest are too late and change nothing. */
  record(second: number, concurrency: number, requests: number): void {
    if (second + this.#seconds <= this.#lastWrite) return;
    // NaN, the first write ever, makes the comparison false on purpose.
    if (!(second >= this.#firstWrite)) this.#firstWrite = second;
    if (second > this.#lastWrite) this.#advance(second);
    const index = (second % this.#seconds) * valuesPerBucket;
    this.#add(index, 0, concurrency);
    this.#add(index, 1, requests);
  }

  average(nowSecond: number, metric: ScalingMetric, algorithm: AggregationAlgorithm): number {
    const gap = Math.max(0, nowSecond - this.#lastWrite);
    return algorithm === "linear"
      ? this.#linearAverage(gap, metricOffsets[metric])
      : this.#exponentialAverage(gap, metricOffsets[metric]);
  }

  /** Keeps the newest seconds that fit. */
  resize(seconds: number): void {
    if (seconds === this.#seconds) return;
    const old = this.#buckets;
    const oldSeconds = this.#seconds;
    this.#buckets = new Float64Array(seconds * valuesPerBucket);
    this.#seconds = seconds;
    this.#smoothing = toSmoothing(seconds);
    if (this.#lastWrite === Number.NEGATIVE_INFINITY) return;
    this.#totals.fill(0);
    for (let age = 0; age < Math.min(seconds, oldSeconds); age++) {
      const from = toIndex(this.#lastWrite - age, oldSeconds);
      const to = toIndex(this.#lastWrite - age, seconds);
      this.#add(to, 0, old[from] ?? 0);
      this.#add(to, 1, old[from + 1] ?? 0);
    }
    this.#firstWrite = Math.max(this.#firstWrite, this.#lastWrite - oldSeconds + 1);
  }

  /** Seconds that have been written, newest last: `[second, concurrency, requests]` each, to survive a restart. */
  toEntries(): [number, number, number][] {
    const entries: [number, number, number][] = [];
    // Nothing was written yet; counting up from minus infinity would never end.
    if (this.#lastWrite === Number.NEGATIVE_INFINITY) return entries;
    for (let second = this.#lastWrite - this.#seconds + 1; second <= this.#lastWrite; second++) {
      if (!(second >= this.#firstWrite)) continue;
      const index = toIndex(second, this.#seconds);
      entries.push([second, this.#buckets[index] ?? 0, this.#buckets[index + 1] ?? 0]);
    }
    return entries;
  }

  #advance(second: number): void {
    if (second - this.#lastWrite >= this.#seconds) {
      this.#buckets.fill(0);
      this.#totals.fill(0);
      this.#firstWrite = second;
    } else {
      for (let skipped = this.#lastWrite + 1; skipped <= second; skipped++) this.#clear(skipped);
    }
    this.#lastWrite = second;
  }

  #add(index: number, offset: number, value: number): void {
    this.#buckets[index + offset] = (this.#buckets[index + offset] ?? 0) + value;
    this.#totals[offset] = (this.#totals[offset] ?? 0) + value;
  }

  #clear(second: number): void {
    const index = toIndex(second, this.#seconds);
    for (let offset = 0; offset < valuesPerBucket; offset++) {
      this.#totals[offset] = (this.#totals[offset] ?? 0) - (this.#buckets[index + offset] ?? 0);
      this.#buckets[index + offset] = 0;
    }
  }

  #linearAverage(gap: number, offset: number): number {
    if (gap >= this.#seconds) return 0;
    const filled = Math.min(this.#lastWrite - this.#firstWrite + 1, this.#seconds - gap);
    let total = this.#totals[offset] ?? 0;
    for (let newer = 1; newer <= gap; newer++) total -= this.#valueAt(-newer, offset);
    return Math.round((total / filled) * precision) / precision;
  }

  #exponentialAverage(gap: number, offset: number): number {
    if (gap > this.#seconds) return 0;
    const decay = 1 - this.#smoothing;
    let weight = this.#smoothing * decay ** gap;
    let total = 0;
    for (let age = 0; age < this.#seconds - gap && weight > leastWeight; age++) {
      total += this.#valueAt(age, offset) * weight;
      weight *= decay;
    }
    return total;
  }

  #valueAt(age: number, offset: number): number {
    return this.#buckets[toIndex(this.#lastWrite - age, this.#seconds) + offset] ?? 0;
  }
}

function toIndex(second: number, seconds: number): number {
  return (second % seconds) * valuesPerBucket;
}

/** So much weight on the newest second that the whole window has 99.99 % of it, and at least a fifth. */
function toSmoothing(seconds: number): number {
  return Math.max(1 - (1 - 0.9999) ** (1 / seconds), 0.2);
}
