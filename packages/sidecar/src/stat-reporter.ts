import { encodeStat, RequestStats, type Clock } from "@sluice/core";

/** Counts requests and keeps the latest stat ready for autoscalers that ask. `report` renews it, once a period. */
export class StatReporter {
  readonly requests: RequestStats;
  readonly #clock: Clock;
  readonly #podName: string;
  readonly #startedMs: number;
  readonly #periodSeconds: number;
  #encoded: Uint8Array;

  constructor(clock: Clock, podName: string, periodMs: number) {
    this.#clock = clock;
    this.#podName = podName;
    this.#startedMs = clock.monotonic();
    this.#periodSeconds = periodMs / 1000;
    this.requests = new RequestStats(this.#startedMs);
    this.#encoded = encodeStat({ ...nothing, podName });
  }

  /** The latest stat, encoded. Before the first report only the pod's name is in it. */
  get encoded(): Uint8Array {
    return this.#encoded;
  }

  /** Ends a period. Counts are per second. */
  report(): void {
    const nowMs = this.#clock.monotonic();
    const report = this.requests.report(nowMs);
    this.#encoded = encodeStat({
      ...nothing,
      podName: this.#podName,
      averageConcurrentRequests: report.averageConcurrency,
      averageProxiedConcurrentRequests: report.averageProxiedConcurrency,
      requestCount: report.requestCount / this.#periodSeconds,
      proxiedRequestCount: report.proxiedRequestCount / this.#periodSeconds,
      processUptime: (nowMs - this.#startedMs) / 1000,
    });
  }
}

const nothing = {
  averageConcurrentRequests: 0,
  averageProxiedConcurrentRequests: 0,
  requestCount: 0,
  proxiedRequestCount: 0,
  processUptime: 0,
  timestamp: 0,
  held: 0,
};
