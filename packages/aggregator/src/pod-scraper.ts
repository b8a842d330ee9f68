import type { Clock, ObjectKey, Pod, Stat } from "@sluice/core";
import { LogOnce, type Logger } from "@sluice/kit";
import { EvaluationLoop } from "./evaluation-loop.ts";
import type { FeedView } from "./feed-view.ts";
import { isPlausible } from "./revision-load.ts";
import type { RevisionScaler } from "./revision-scaler.ts";
import { decideSampleSize, orderPods } from "./scrape-plan.ts";

/** Asks one pod for its stat. */
export interface PodStatSource {
  fetch(pod: Pod, options: { readonly keepAlive: boolean }): Promise<Stat>;
}

export interface PodScraperOptions {
  readonly clock: Clock;
  readonly feed: FeedView;
  readonly scalers: () => Iterable<Target>;
  readonly source: PodStatSource;
  /** What all pods of a revision together have, as one stat. */
  readonly onStat: (key: ObjectKey, stat: Stat) => void;
  /** How long one scrape of a revision took. */
  readonly onScraped: (tookMs: number, isComplete: boolean) => void;
  /** For failed scrapes of revisions that want to go: counts as activity. */
  readonly onFailure: (scaler: RevisionScaler) => void;
  readonly random: () => number;
  readonly log: Logger;
}

type Target = readonly [ObjectKey, RevisionScaler];

const periodMs = 1000;
/** Requests at once, over all revisions. */
const maxRequests = 256;
/** Beyond so many pods a second, connections are not kept: sockets stay bounded by the requests at once. */
const maxKeptConnections = 8192;

/** Gathers the stats that only pods know, once a second, a sample of each revision (reference §3.7). */
export class PodScraper {
  readonly #options: PodScraperOptions;
  readonly #busy = new Set<ObjectKey>();
  readonly #failures: LogOnce;
  readonly #waiting: (() => void)[] = [];
  #free = maxRequests;
  readonly #loop: EvaluationLoop<Target>;
  #podsLastRound = 0;
  #podsThisRound = 0;

  constructor(options: PodScraperOptions) {
    this.#options = options;
    this.#failures = new LogOnce(options.log);
    this.#loop = new EvaluationLoop({
      clock: options.clock,
      periodMs,
      list: () => this.#beginRound(),
      evaluate: (target) => this.#scrapeUnlessBusy(target),
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): void {
    this.#loop.stop();
  }

  /** The revisions to ask in this round. */
  #beginRound(): readonly Target[] {
    this.#podsLastRound = this.#podsThisRound;
    this.#podsThisRound = 0;
    return [...this.#options.scalers()].filter(([, scaler]) => scaler.needsScraping);
  }

  #scrapeUnlessBusy([key, scaler]: Target): void {
    if (!scaler.needsScraping || this.#busy.has(key)) return;
    const ready = this.#options.feed.readyPodsOf(key);
    const sample = scaler.isLeaving ? ready.length : decideSampleSize(ready.length);
    this.#podsThisRound += sample;
    if (sample > 0) void this.#scrape(key, scaler, ready, sample);
  }

  /** Never rejects. Nothing is recorded unless as many pods answered as the sample needs. */
  async #scrape(key: ObjectKey, scaler: RevisionScaler, ready: Pod[], sample: number): Promise<void> {
    const { clock } = this.#options;
    const startMs = clock.monotonic();
    this.#busy.add(key);
    const { stableWindowMs } = scaler.facts.spec;
    const candidates = orderPods(ready, sample, {
      oldBeforeMs: clock.now() - stableWindowMs,
      random: this.#options.random,
    });
    const stats: Stat[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      for (let pod = candidates[next++]; pod !== undefined; pod = candidates[next++]) {
        const stat = await this.#ask(pod);
        if (stat === undefined) continue;
        stats.push(stat);
        return;
      }
    };
    await Promise.all(Array.from({ length: sample }, work));
    this.#busy.delete(key);
    const isComplete = stats.length === sample;
    if (isComplete) this.#options.onStat(key, sumUp(stats, ready.length));
    else this.#options.onFailure(scaler);
    this.#options.onScraped(clock.monotonic() - startMs, isComplete);
  }

  /** Undefined when the pod gave no stat that can be true. */
  async #ask(pod: Pod): Promise<Stat | undefined> {
    await this.#acquire();
    try {
      const keepAlive = this.#podsLastRound <= maxKeptConnections;
      const stat = await this.#options.source.fetch(pod, { keepAlive });
      if (!isPlausible(stat)) throw new RangeError(`the stat of ${pod.name} cannot be true`);
      this.#failures.solved("pods give their stats again");
      return stat;
    } catch (error) {
      this.#failures.warn("a pod gave no stat", { pod: pod.name, error });
      return undefined;
    } finally {
      this.#release();
    }
  }

  #acquire(): Promise<void> | void {
    if (this.#free > 0) {
      this.#free--;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

/** The mean of the sample, times all pods. */
function sumUp(stats: readonly Stat[], pods: number): Stat {
  const total = { concurrency: 0, proxied: 0, requests: 0, proxiedRequests: 0 };
  for (const stat of stats) {
    total.concurrency += stat.averageConcurrentRequests;
    total.proxied += stat.averageProxiedConcurrentRequests;
    total.requests += stat.requestCount;
    total.proxiedRequests += stat.proxiedRequestCount;
  }
  const factor = pods / stats.length;
  return {
    podName: "service-scraper",
    averageConcurrentRequests: total.concurrency * factor,
    averageProxiedConcurrentRequests: total.proxied * factor,
    requestCount: total.requests * factor,
    proxiedRequestCount: total.proxiedRequests * factor,
    processUptime: 0,
    timestamp: 0,
    held: 0,
  };
}
