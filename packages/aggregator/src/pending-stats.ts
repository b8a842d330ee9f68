import type { ObjectKey, Stat } from "@sluice/core";

interface PendingStat {
  readonly stat: Stat;
  /** The second that it is about; its stamp is too old to say so later. */
  readonly second: number;
  readonly atMs: number;
}

const lifeMs = 10_000;
const maxStats = 10_000;
const maxPerRevision = 100;

/**
 * Stats that nobody can use yet: of revisions that the feed has not named (the first request can be faster than the
 * feed), and of revisions whose aggregator has just died. Kept for ten
 * seconds, the newest of each revision, and never more than a fixed number in all.
 */
export class PendingStats {
  readonly #byRevision = new Map<ObjectKey, PendingStat[]>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(key: ObjectKey, stat: Stat, second: number, nowMs: number): void {
    if (this.#count >= maxStats) this.#dropOldest();
    let stats = this.#byRevision.get(key);
    if (stats === undefined) {
      stats = [];
      this.#byRevision.set(key, stats);
    }
    if (stats.length >= maxPerRevision) {
      stats.shift();
      this.#count--;
    }
    stats.push({ stat, second, atMs: nowMs });
    this.#count++;
  }

  /** The stats of a revision that is known now; they are no longer kept. */
  take(key: ObjectKey, nowMs: number): PendingStat[] {
    const stats = this.#byRevision.get(key) ?? [];
    this.#byRevision.delete(key);
    this.#count -= stats.length;
    return stats.filter(({ atMs }) => nowMs - atMs <= lifeMs);
  }

  /** Forgets what is too old. */
  expire(nowMs: number): void {
    for (const [key, stats] of this.#byRevision) {
      const last = stats.at(-1);
      if (last === undefined || nowMs - last.atMs > lifeMs) this.#drop(key, stats.length);
    }
  }

  /** Room for one more: the revision that has waited longest goes. Not a search, so that a flood costs no more. */
  #dropOldest(): void {
    for (const [key, stats] of this.#byRevision) {
      this.#drop(key, stats.length);
      return;
    }
  }

  #drop(key: ObjectKey, count: number): void {
    this.#byRevision.delete(key);
    this.#count -= count;
  }
}
