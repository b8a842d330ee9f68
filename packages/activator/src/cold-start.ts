/** What a request that was held waited for, in the order in which it happens. */
export const coldStartPhases = ["decided", "scaled", "address", "probe", "first-byte"] as const;
export type ColdStartPhase = (typeof coldStartPhases)[number];

/** Milliseconds of each phase that is known; together they are the time from arrival to first byte. */
export type PhaseDurations = Partial<Record<ColdStartPhase, number>>;

/**
 * When a revision's pod came to be, in wall-clock milliseconds, because two of the moments come from other processes: a
 * decision was made, it was applied, the pod's address was seen here, our probe of it succeeded.
 */
export interface Milestones {
  decidedAt?: number | undefined;
  scaledAt?: number | undefined;
  addressAt?: number | undefined;
  probedAt?: number | undefined;
}

/**
 * The phases of one request. A milestone that was reached before the request came costs it nothing; one that is not
 * known (the platform says no times, or a pod was merely full) gives its time to the next.
 */
export function toPhases(arrivedAt: number, milestones: Milestones, firstByteAt: number): PhaseDurations {
  const moments: readonly [ColdStartPhase, number | undefined][] = [
    ["decided", milestones.decidedAt],
    ["scaled", milestones.scaledAt],
    ["address", milestones.addressAt],
    ["probe", milestones.probedAt],
    ["first-byte", firstByteAt],
  ];
  const phases: PhaseDurations = {};
  let reachedAt = arrivedAt;
  for (const [phase, at] of moments) {
    if (at === undefined) continue;
    const clamped = Math.min(Math.max(at, reachedAt), Math.max(firstByteAt, reachedAt));
    phases[phase] = clamped - reachedAt;
    reachedAt = clamped;
  }
  return phases;
}

/** `queued` is the whole time without a pod; the phases say what it was spent on (W3C Server-Timing). */
export function toServerTiming(queuedMs: number, phases: PhaseDurations): string {
  const parts = [`queued;dur=${toText(queuedMs)}`];
  for (const phase of coldStartPhases) {
    const durationMs = phases[phase];
    if (durationMs !== undefined) parts.push(`${phase};dur=${toText(durationMs)}`);
  }
  return parts.join(", ");
}

function toText(durationMs: number): string {
  return String(Math.round(durationMs * 10) / 10);
}
