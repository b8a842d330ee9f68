import type { CancelTimer, Clock } from "@sluice/core";
import { isWanted, type PodTracker } from "./pod-tracker.ts";

/** Asks one pod once; `done` is called exactly once, with false when nothing came within `timeoutMs`. */
export type ProbePod = (tracker: PodTracker, timeoutMs: number, done: (isHealthy: boolean) => void) => void;

export interface PodProberOptions {
  readonly clock: Pick<Clock, "monotonic" | "setTimer">;
  readonly probe: ProbePod;
  readonly timeoutMs: number;
  /** The slowest cadence, for pods that nobody waits for. */
  readonly intervalMs: number;
}

/** The revision's side of probing. */
export interface ProbeTarget {
  /** Requests wait for this revision right now. */
  isWaitedFor(): boolean;
  /** The platform's own verdict must agree before the pod is used (exec and startup probes run elsewhere). */
  needsPlatformReady(): boolean;
  markHealthy(tracker: PodTracker): void;
}

interface ProbeLoop {
  readonly tracker: PodTracker;
  readonly target: ProbeTarget;
  failures: number;
  /** Since when this loop has been polling as fast as it may. */
  urgentSinceMs: number;
  /** Before this nobody asks, however urgent it is. */
  quietUntilMs: number;
  isAsking: boolean;
  cancelTimer: CancelTimer | undefined;
}

const urgentForMs = 10_000;
const urgentDelayMs = 5;

/**
 * Milliseconds until the next probe after `failures` in a row. A pod that requests wait for is asked again after 1, 2, 4 and
 * then every 5 ms for ten seconds; else the pause doubles up to `intervalMs`. So a pod's first ready moment is
 * missed by a few milliseconds where it counts, and a pod that never comes costs little.
 */
export function decideProbeDelay(failures: number, urgentMs: number | undefined, intervalMs: number): number {
  const doubled = 2 ** Math.min(failures - 1, 20);
  if (urgentMs !== undefined && urgentMs < urgentForMs) return Math.min(urgentDelayMs, doubled, intervalMs);
  return Math.min(intervalMs, urgentDelayMs * doubled);
}

/** Probes each pod from the moment its address is known until the first success, each on its own timer. */
export class PodProber {
  readonly #options: PodProberOptions;
  readonly #loops = new Map<PodTracker, ProbeLoop>();

  constructor(options: PodProberOptions) {
    this.#options = options;
  }

  /** Pods that are being probed now. */
  get size(): number {
    return this.#loops.size;
  }

  /** The first probe comes after `quietMs`. Harmless for a pod that is healthy, not wanted, or being probed already. */
  start(tracker: PodTracker, target: ProbeTarget, quietMs = 0): void {
    if (tracker.isHealthy || !isWanted(tracker) || this.#loops.has(tracker)) return;
    const { clock } = this.#options;
    const loop: ProbeLoop = {
      tracker,
      target,
      failures: 0,
      urgentSinceMs: clock.monotonic(),
      quietUntilMs: clock.monotonic() + quietMs,
      isAsking: false,
      cancelTimer: undefined,
    };
    this.#loops.set(tracker, loop);
    if (quietMs === 0) this.#ask(loop);
    else loop.cancelTimer = clock.setTimer(() => this.#ask(loop), quietMs);
  }

  /** Somebody began to wait, or the platform said something new: what is probed slowly is probed now. */
  hurry(tracker: PodTracker): void {
    const loop = this.#loops.get(tracker);
    if (loop === undefined) return;
    loop.failures = 0;
    const nowMs = this.#options.clock.monotonic();
    loop.urgentSinceMs = Math.max(nowMs, loop.quietUntilMs);
    if (!loop.isAsking && nowMs >= loop.quietUntilMs) this.#ask(loop);
  }

  stop(tracker: PodTracker): void {
    this.#loops.get(tracker)?.cancelTimer?.();
    this.#loops.delete(tracker);
  }

  close(): void {
    for (const tracker of this.#loops.keys()) this.stop(tracker);
  }

  #ask(loop: ProbeLoop): void {
    loop.cancelTimer?.();
    loop.cancelTimer = undefined;
    loop.isAsking = true;
    this.#options.probe(loop.tracker, this.#options.timeoutMs, (isHealthy) => this.#settle(loop, isHealthy));
  }

  #settle(loop: ProbeLoop, isHealthy: boolean): void {
    loop.isAsking = false;
    if (this.#loops.get(loop.tracker) !== loop) return;
    if (!isWanted(loop.tracker)) return this.stop(loop.tracker);
    if (isHealthy && (loop.tracker.pod.ready || !loop.target.needsPlatformReady())) {
      this.stop(loop.tracker);
      loop.target.markHealthy(loop.tracker);
      return;
    }
    loop.failures++;
    const { clock, intervalMs } = this.#options;
    const urgentMs = loop.target.isWaitedFor() ? clock.monotonic() - loop.urgentSinceMs : undefined;
    const delayMs = decideProbeDelay(loop.failures, urgentMs, intervalMs);
    loop.cancelTimer = clock.setTimer(() => this.#ask(loop), delayMs);
  }
}
