/** How often and how fast something that ends by itself is started again. */
export interface RestartState {
  /** Ends in a row without a healthy run in between. */
  readonly failures: number;
}

export interface RestartDecision extends RestartState {
  readonly delayMs: number;
}

const firstDelayMs = 100;
const longestDelayMs = 30_000;
/** A run of this length was healthy: what ends it is a new story. */
const healthyRunMs = 10_000;

/** From this many failures in a row on, people and held requests are told that it does not come up. */
export const crashLoopFailures = 3;

/** Doubles the wait with each failure in a row. Kubernetes does the same from 10 s on, which nobody waits for at a desk. */
export function decideRestart(state: RestartState, ranMs: number): RestartDecision {
  const failures = ranMs >= healthyRunMs ? 1 : state.failures + 1;
  return { failures, delayMs: Math.min(longestDelayMs, firstDelayMs * 2 ** (failures - 1)) };
}
