/** Stops a timer that has not fired yet; harmless afterwards. */
export type CancelTimer = () => void;

/**
 * Time, passed in wherever it is needed, so that decisions can be replayed and tests need no sleeps.
 * Two times on purpose: people and wire formats use the wall clock, which may jump; durations never do.
 */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Milliseconds from a fixed but unknown start; never goes back. */
  monotonic(): number;
  /** Calls `callback` once after `delayMs`; the timer does not keep the process alive. */
  setTimer(callback: () => void, delayMs: number): CancelTimer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
