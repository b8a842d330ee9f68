import { RequestStats, type Clock, type ObjectKey, type RevisionStat, type Stat } from "@sluice/core";

/** Where stats go: one connection to each aggregator. */
export interface StatSink {
  /** The aggregator that wants this revision's stats; undefined while none is known. */
  findOwner(key: ObjectKey): string | undefined;
  isOpen(owner: string): boolean;
  /** False when nothing was written because the connection is not open. */
  write(owner: string, batch: readonly RevisionStat[]): boolean;
}

export interface ReporterOptions {
  /** This activator's name, the `podName` of its stats. */
  readonly name: string;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly sink: StatSink;
  /** Requests of the revision that wait for a pod now. */
  readonly countHeld: (key: ObjectKey) => number;
}

/** What is counted for one revision. */
export interface Counted {
  readonly namespace: string;
  readonly name: string;
  readonly stats: RequestStats;
  /** The immediate (1, 1) of the first request was written; the first report must not say it again. */
  isAnnounced: boolean;
  /** The wall-clock second of the newest stat that was written. */
  lastStamp: number;
  /** Nothing was inside for a second, and the aggregator knows: the next request begins anew. */
  isForgotten: boolean;
}

/** A revision that has requests. It keeps what is counted for it at hand, which spares each request a look-up or two. */
export interface CountedRevision {
  readonly key: ObjectKey;
  counted: Counted | undefined;
}

/** Beyond this the wall clock was set back, and stamps follow it. */
const maxStampLead = 2;

/**
 * Counts what is inside this activator per revision, held or forwarded, each request once, and tells the revision's aggregator
 * (reference §2.6): at once when a revision that had nothing gets a request, then every second. A revision is forgotten
 * after a second of nothing, which is still reported.
 *
 * Each written stat has a second of its own: two of one second would add up at the receiver. While the owner
 * cannot be reached nothing is reset, so the next report carries what was missed.
 */
export class ConcurrencyReporter {
  readonly #options: ReporterOptions;
  readonly #entries = new Map<ObjectKey, Counted>();

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** `isHeld`: no pod can take it now, which the immediate message then says. */
  requestIn(revision: CountedRevision, isHeld: boolean): void {
    const nowMs = this.#options.clock.monotonic();
    let { counted } = revision;
    if (counted === undefined || counted.isForgotten) {
      counted = this.#entries.get(revision.key) ?? this.#begin(revision.key, nowMs, isHeld);
      revision.counted = counted;
    }
    counted.stats.requestIn(nowMs, false);
  }

  requestOut({ counted }: CountedRevision): void {
    counted?.stats.requestOut(this.#options.clock.monotonic(), false);
  }

  /** The report of each second; `stampSeconds` is the wall-clock second that it stands for. */
  report(stampSeconds: number): void {
    const { sink } = this.#options;
    const batches = new Map<string, RevisionStat[]>();
    const nowMs = this.#options.clock.monotonic();
    for (const [key, entry] of this.#entries) {
      const owner = sink.findOwner(key);
      if (owner === undefined || !sink.isOpen(owner) || !this.#isDue(entry, stampSeconds)) continue;
      append(batches, owner, this.#measure(key, entry, stampSeconds, nowMs));
    }
    for (const [owner, batch] of batches) sink.write(owner, batch);
  }

  /**
   * The owner's connection is open (again): it may know nothing, so it hears at once of every revision with
   * anything in flight. The next regular report of the same second is skipped for these.
   */
  resend(owner: string): void {
    const batch: RevisionStat[] = [];
    for (const [key, entry] of this.#entries) {
      const inFlight = entry.stats.concurrency;
      if (inFlight === 0 || this.#options.sink.findOwner(key) !== owner) continue;
      const { requestCount } = entry.stats.report(this.#options.clock.monotonic());
      const stamp = Math.max(this.#nowSeconds(), this.#isSetBack(entry) ? 0 : entry.lastStamp + 1);
      entry.lastStamp = stamp;
      entry.isAnnounced = false;
      batch.push(this.#toStat(key, entry, { concurrency: inFlight, requestCount, stamp }));
    }
    if (batch.length > 0) this.#options.sink.write(owner, batch);
  }

  #begin(key: ObjectKey, nowMs: number, isHeld: boolean): Counted {
    const counted = createCounted(key, nowMs);
    this.#entries.set(key, counted);
    counted.isAnnounced = this.#announce(key, counted, isHeld ? 1 : 0);
    return counted;
  }

  #announce(key: ObjectKey, entry: Counted, held: number): boolean {
    const { sink } = this.#options;
    const owner = sink.findOwner(key);
    if (owner === undefined) return false;
    const measured = { concurrency: 1, requestCount: 1, stamp: this.#nowSeconds() };
    return sink.write(owner, [this.#toStat(key, entry, measured, held)]);
  }

  #measure(key: ObjectKey, entry: Counted, stamp: number, nowMs: number): RevisionStat {
    const { averageConcurrency, requestCount } = entry.stats.report(nowMs);
    const announced = entry.isAnnounced ? 1 : 0;
    entry.isAnnounced = false;
    entry.lastStamp = stamp;
    if (averageConcurrency === 0 && entry.stats.concurrency === 0) {
      entry.isForgotten = true;
      this.#entries.delete(key);
    }
    return this.#toStat(key, entry, {
      concurrency: Math.max(0, averageConcurrency - announced),
      requestCount: requestCount - announced,
      stamp,
    });
  }

  #toStat(
    key: ObjectKey,
    entry: Counted,
    measured: { concurrency: number; requestCount: number; stamp: number },
    held = this.#options.countHeld(key),
  ): RevisionStat {
    const stat: Stat = {
      podName: this.#options.name,
      averageConcurrentRequests: measured.concurrency,
      averageProxiedConcurrentRequests: 0,
      requestCount: measured.requestCount,
      proxiedRequestCount: 0,
      processUptime: 0,
      timestamp: measured.stamp,
      held,
    };
    return { namespace: entry.namespace, name: entry.name, stat };
  }

  #isDue(entry: Counted, stamp: number): boolean {
    return stamp > entry.lastStamp || this.#isSetBack(entry);
  }

  #isSetBack(entry: Counted): boolean {
    return entry.lastStamp > this.#nowSeconds() + maxStampLead;
  }

  #nowSeconds(): number {
    return Math.floor(this.#options.clock.now() / 1000);
  }
}

function createCounted(key: ObjectKey, nowMs: number): Counted {
  const slash = key.indexOf("/");
  return {
    namespace: key.slice(0, slash),
    name: key.slice(slash + 1),
    stats: new RequestStats(nowMs),
    isAnnounced: false,
    lastStamp: 0,
    isForgotten: false,
  };
}

function append(batches: Map<string, RevisionStat[]>, owner: string, stat: RevisionStat): void {
  const batch = batches.get(owner);
  if (batch === undefined) batches.set(owner, [stat]);
  else batch.push(stat);
}
