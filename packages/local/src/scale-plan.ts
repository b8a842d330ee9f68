/** What counts when a pod has to go. */
export interface PodStanding {
  readonly name: string;
  readonly isReady: boolean;
  readonly startedMs: number;
  /** Requests in it now, as far as is known. */
  readonly inFlight: number;
}

/**
 * The pods whose end costs least: those that are not ready, then the least busy, then the youngest (the order in which
 * Kubernetes takes pods away, with how busy they are in place of its guess).
 */
export function pickVictims(pods: readonly PodStanding[], count: number): PodStanding[] {
  return pods
    .toSorted(
      (a, b) => Number(a.isReady) - Number(b.isReady) || a.inFlight - b.inFlight || b.startedMs - a.startedMs,
    )
    .slice(0, count);
}
