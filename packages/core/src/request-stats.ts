/** What happened since the last report. Averages are weighted by the time that really passed. */
export interface RequestStatsReport {
  averageConcurrency: number;
  averageProxiedConcurrency: number;
  requestCount: number;
  proxiedRequestCount: number;
}

/**
 * Counts requests and integrates concurrency exactly over time, so that no short request falls between samples.
 * The algorithm is Knative's (reference §1.10): time that goes back adds nothing. Times are any milliseconds
 * of one clock; a proxied request counts in the total and in its proxied part.
 */
export class RequestStats {
  #lastChangeMs: number;
  #concurrency = 0;
  #proxiedConcurrency = 0;
  #requestCount = 0;
  #proxiedCount = 0;
  #weightedMs = 0;
  #concurrencyArea = 0;
  #proxiedArea = 0;

  constructor(nowMs: number) {
    this.#lastChangeMs = nowMs;
  }

  /** Requests in flight now. */
  get concurrency(): number {
    return this.#concurrency;
  }

  requestIn(nowMs: number, isProxied: boolean): void {
    this.#advance(nowMs);
    this.#requestCount++;
    this.#concurrency++;
    if (isProxied) {
      this.#proxiedCount++;
      this.#proxiedConcurrency++;
    }
  }

  requestOut(nowMs: number, isProxied: boolean): void {
    this.#advance(nowMs);
    this.#concurrency--;
    if (isProxied) this.#proxiedConcurrency--;
  }

  /** The averages and counts since the last report; starts the next period. Requests in flight carry over. */
  report(nowMs: number): RequestStatsReport {
    this.#advance(nowMs);
    const report = {
      averageConcurrency: this.#weightedMs > 0 ? this.#concurrencyArea / this.#weightedMs : 0,
      averageProxiedConcurrency: this.#weightedMs > 0 ? this.#proxiedArea / this.#weightedMs : 0,
      requestCount: this.#requestCount,
      proxiedRequestCount: this.#proxiedCount,
    };
    this.#requestCount = 0;
    this.#proxiedCount = 0;
    this.#weightedMs = 0;
    this.#concurrencyArea = 0;
    this.#proxiedArea = 0;
    return report;
  }

  #advance(nowMs: number): void {
    const elapsedMs = nowMs - this.#lastChangeMs;
    if (elapsedMs <= 0) return;
    this.#weightedMs += elapsedMs;
    this.#concurrencyArea += this.#concurrency * elapsedMs;
    this.#proxiedArea += this.#proxiedConcurrency * elapsedMs;
    this.#lastChangeMs = nowMs;
  }
}
