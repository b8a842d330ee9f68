import {
  describeProblem,
  resolveScalingSpec,
  type AutoscalerConfig,
  type Decision,
  type ObjectKey,
  type Revision,
  type ScalingSpec,
  type Stat,
} from "@sluice/core";
import type { Logger } from "@sluice/kit";
import type { FeedChange, FeedView } from "./feed-view.ts";
import type { Hearing } from "./hearing.ts";
import { PendingStats } from "./pending-stats.ts";
import { isPlausible } from "./revision-load.ts";
import { RevisionScaler } from "./revision-scaler.ts";
import type { KeptLoad } from "./state-file.ts";
import type { SteadyTime } from "./steady-time.ts";

/** Where decisions go. */
export interface DecisionSink {
  put(key: ObjectKey, decision: Decision): void;
  delete(key: ObjectKey): void;
}

export interface FleetOptions {
  /** The name of this aggregator. */
  readonly owner: string;
  readonly time: SteadyTime;
  readonly feed: FeedView;
  readonly hearing: Hearing;
  readonly sink: DecisionSink;
  readonly config: AutoscalerConfig;
  /** Whether this aggregator decides for a revision. */
  readonly isOwned: (key: ObjectKey) => boolean;
  /** Stats of a revision that turned out to be another aggregator's. */
  readonly onForeignStats: (key: ObjectKey, stats: readonly Stat[]) => void;
  /** What was known about revisions before a restart; each is used once. */
  readonly kept?: ReadonlyMap<ObjectKey, KeptLoad>;
  readonly log: Logger;
}

/** What became of a stat. */
export type StatFate = "recorded" | "pending" | "refused" | "not-owned";

/** The revisions that this aggregator decides for: keeps them in step with the feed, and takes their stats. */
export class Fleet {
  readonly pending = new PendingStats();
  readonly #options: FleetOptions;
  readonly #scalers = new Map<ObjectKey, RevisionScaler>();
  readonly #kept: Map<ObjectKey, KeptLoad>;
  readonly #reported = new Map<ObjectKey, string>();
  #config: AutoscalerConfig;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#kept = new Map(options.kept);
  }

  get scalers(): ReadonlyMap<ObjectKey, RevisionScaler> {
    return this.#scalers;
  }

  /** Other defaults for every revision. */
  setConfig(config: AutoscalerConfig): void {
    this.#config = config;
    for (const key of this.#options.feed.revisions.keys()) this.#sync(key, true);
  }

  /** The feed changed: what it touched is decided anew at once. */
  apply(change: FeedChange): void {
    for (const key of change.revisions) this.#sync(key, false);
  }

  /** The members changed: takes over what is owned now, leaves what others own. */
  reassign(): void {
    for (const key of this.#options.feed.revisions.keys()) {
      if (this.#scalers.has(key) !== this.#options.isOwned(key)) this.#sync(key, false);
    }
  }

  /** A stat that arrived. One that ends zero is decided on before this returns. */
  record(key: ObjectKey, stat: Stat, instant = this.#options.time.instant()): StatFate {
    if (!isPlausible(stat)) return "refused";
    const scaler = this.#scalers.get(key);
    if (scaler !== undefined) {
      if (scaler.record(stat, instant.toSecond(stat.timestamp), instant.nowMs)) this.evaluate(key, scaler);
      return "recorded";
    }
    if (this.#options.feed.revisions.has(key)) return "not-owned";
    this.keep(key, stat);
    return "pending";
  }

  /** Keeps a stat for a while: this aggregator may be the one that needs it soon. */
  keep(key: ObjectKey, stat: Stat): void {
    const { time } = this.#options;
    this.pending.add(key, stat, time.toSecond(stat.timestamp), time.nowMs());
  }

  evaluate(key: ObjectKey, scaler: RevisionScaler): void {
    const decision = scaler.evaluate(this.#options.time.nowMs(), this.#options.hearing);
    if (decision !== undefined) this.#options.sink.put(key, decision);
  }

  #sync(key: ObjectKey, isNewConfig: boolean): void {
    const revision = this.#options.feed.revisions.get(key);
    if (revision === undefined) {
      this.#drop(key);
      return;
    }
    const before = this.#scalers.get(key);
    const isAnother = before !== undefined && before.facts.revision.createdAt !== revision.createdAt;
    // Deleted and made anew while the feed was away: what its namesake did says nothing about this one.
    if (isAnother) this.#drop(key);
    const known = isAnother ? undefined : before;
    const spec = this.#resolve(key, revision, isNewConfig ? undefined : known);
    if (!spec.isKpa || !this.#options.isOwned(key)) {
      this.#leave(key);
      return;
    }
    const facts = { revision, spec, readyPods: this.#options.feed.countReady(key) };
    known?.update(facts);
    this.evaluate(key, known ?? this.#adopt(key, new RevisionScaler(facts, this.#options)));
  }

  /** A revision that is new here, with the stats that came before it. */
  #adopt(key: ObjectKey, scaler: RevisionScaler): RevisionScaler {
    this.#scalers.set(key, scaler);
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    if (kept !== undefined) scaler.load.restore(kept.seconds, kept.lastActiveMs);
    for (const { stat, second, atMs } of this.pending.take(key, this.#options.time.nowMs())) {
      scaler.record(stat, second, atMs);
    }
    return scaler;
  }

  /** Somebody else decides about it. */
  #leave(key: ObjectKey): void {
    this.#scalers.delete(key);
    const stats = this.pending.take(key, this.#options.time.nowMs());
    if (stats.length === 0) return;
    this.#options.onForeignStats(
      key,
      stats.map(({ stat }) => stat),
    );
  }

  /** Gone from the feed: nobody decides about it any more. */
  #drop(key: ObjectKey): void {
    this.#scalers.delete(key);
    this.#reported.delete(key);
    this.#options.sink.delete(key);
  }

  /** Annotations that break a rule leave the last good ones in force; without such, the cluster's defaults. */
  #resolve(key: ObjectKey, revision: Revision, known: RevisionScaler | undefined): ScalingSpec {
    if (known !== undefined && hasSameScaling(known.facts.revision, revision)) return known.facts.spec;
    const { spec, problems } = resolveScalingSpec(this.#config, revision);
    const text = problems.map(describeProblem).join("; ");
    if (text !== "" && this.#reported.get(key) !== text) {
      this.#options.log.warn({ revision: key, problems: text }, "scaling annotations are refused");
    }
    if (text === "") this.#reported.delete(key);
    else this.#reported.set(key, text);
    return problems.length > 0 && known !== undefined ? known.facts.spec : spec;
  }
}

/** Annotations are few: comparing them is cheaper than resolving them again at every change of a pod. */
function hasSameScaling(one: Revision, other: Revision): boolean {
  if (one.containerConcurrency !== other.containerConcurrency) return false;
  if (one.annotations === other.annotations) return true;
  const names = Object.keys(one.annotations);
  return (
    names.length === Object.keys(other.annotations).length &&
    names.every((name) => one.annotations[name] === other.annotations[name])
  );
}
