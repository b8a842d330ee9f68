import type { ScalingSpec, Stat } from "@sluice/core";
import { LoadWindow } from "./load-window.ts";

/** The latest word of one activator or pod about a revision. */
interface Source {
  concurrency: number;
  held: number;
  atMs: number;
}

/** What the windows say at one time. */
export interface LoadReading {
  readonly stableValue: number;
  readonly panicValue: number;
  readonly requestsPerSecond: number;
}

/** A source that said nothing for so long no longer counts as having requests in flight. */
const sourceLifeMs = 5000;
/** Beyond this many, the sources of one revision are forgotten once they are silent. */
const maxSources = 4096;
/** More than any pod or activator can have; a bigger number is a lie and would outlast its time in the sums. */
const maxPlausible = 1e9;

/** Load of one revision: two windows, who reported what last, and the last sign of life. Steady milliseconds. */
export class RevisionLoad {
  readonly #stable: LoadWindow;
  readonly #panic: LoadWindow;
  readonly #sources = new Map<string, Source>();
  #lastActiveMs: number;
  #totalRequests = 0;

  constructor(spec: ScalingSpec, nowMs: number) {
    this.#stable = new LoadWindow(toSeconds(spec.stableWindowMs));
    this.#panic = new LoadWindow(toSeconds(spec.panicWindowMs));
    // What happened before is not known, so it counts as activity.
    this.#lastActiveMs = nowMs;
  }

  /** The last report that was not all zero. */
  get lastActiveMs(): number {
    return this.#lastActiveMs;
  }

  /** Requests since this revision is known here; never falls. */
  get totalRequests(): number {
    return this.#totalRequests;
  }

  get lastReportSecond(): number {
    return this.#stable.lastWrite;
  }

  get stable(): LoadWindow {
    return this.#stable;
  }

  get panic(): LoadWindow {
    return this.#panic;
  }

  /** New window lengths; what still fits is kept. */
  resize(spec: ScalingSpec): void {
    this.#stable.resize(toSeconds(spec.stableWindowMs));
    this.#panic.resize(toSeconds(spec.panicWindowMs));
  }

  /**
   * Takes a stat that is plausible. What came through an activator is left to the activator's own stat.
   * `second` is the one that it is about, `nowMs` when it was heard.
   */
  record(stat: Stat, second: number, nowMs: number): void {
    const { averageConcurrentRequests: concurrency, requestCount } = stat;
    this.add(
      second,
      Math.max(0, concurrency - stat.averageProxiedConcurrentRequests),
      Math.max(0, requestCount - stat.proxiedRequestCount),
    );
    if (concurrency > 0 || requestCount > 0 || stat.held > 0) this.#lastActiveMs = nowMs;
    this.#remember(stat, nowMs);
  }

  /** Adds load to a second; zeros say that nothing happened in it. */
  add(second: number, concurrency: number, requests: number): void {
    this.#totalRequests += requests;
    this.#stable.record(second, concurrency, requests);
    this.#panic.record(second, concurrency, requests);
  }

  /** What was known before a restart. Seconds and times are steady ones. */
  restore(seconds: Iterable<readonly [number, number, number]>, lastActiveMs: number): void {
    for (const [second, concurrency, requests] of seconds) {
      this.#stable.record(second, concurrency, requests);
      this.#panic.record(second, concurrency, requests);
    }
    this.#lastActiveMs = Math.min(this.#lastActiveMs, lastActiveMs);
  }

  /** Something may have happened that nobody could tell: counts as activity. */
  markActive(nowMs: number): void {
    this.#lastActiveMs = nowMs;
  }

  /** Undefined when nothing was reported for longer than the window. */
  read(spec: ScalingSpec, nowMs: number): LoadReading | undefined {
    const second = Math.floor(nowMs / 1000);
    if (this.#stable.isEmpty(second)) return undefined;
    return {
      stableValue: this.#stable.average(second, spec.metric, spec.algorithm),
      panicValue: this.#panic.average(second, spec.metric, spec.algorithm),
      requestsPerSecond: this.#panic.average(second, "rps", "linear"),
    };
  }

  /** Requests in flight by the latest reports, and those of them that are held. */
  countInFlight(nowMs: number): { inFlight: number; held: number } {
    let inFlight = 0;
    let held = 0;
    for (const [name, source] of this.#sources) {
      if (nowMs - source.atMs > sourceLifeMs) {
        this.#sources.delete(name);
        continue;
      }
      inFlight += source.concurrency;
      held += source.held;
    }
    return { inFlight: Math.max(inFlight, held), held };
  }

  #remember(stat: Stat, nowMs: number): void {
    const concurrency = Math.max(0, stat.averageConcurrentRequests - stat.averageProxiedConcurrentRequests);
    const source = this.#sources.get(stat.podName);
    if (source !== undefined) {
      source.concurrency = concurrency;
      source.held = stat.held;
      source.atMs = nowMs;
    } else if (this.#sources.size < maxSources) {
      this.#sources.set(stat.podName, { concurrency, held: stat.held, atMs: nowMs });
    }
  }
}

/** Whether a stat can be true: finite, not negative, not absurd, its proxied part no more than the whole. */
export function isPlausible(stat: Stat): boolean {
  return (
    isLoad(stat.averageConcurrentRequests) &&
    isLoad(stat.requestCount) &&
    isLoad(stat.held) &&
    isPart(stat.averageProxiedConcurrentRequests, stat.averageConcurrentRequests) &&
    isPart(stat.proxiedRequestCount, stat.requestCount)
  );
}

/** The tolerance is for averages that were divided apart. */
function isPart(part: number, whole: number): boolean {
  return part >= 0 && part <= whole * (1 + 1e-9);
}

function isLoad(value: number): boolean {
  return value >= 0 && value <= maxPlausible;
}

function toSeconds(windowMs: number): number {
  return Math.ceil(windowMs / 1000);
}
