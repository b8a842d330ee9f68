import type { Clock } from "@sluice/core";
import type { AppProbe } from "./app-probe.ts";

/** Asks once; resolves to whether the app said yes within the time. Never rejects. */
export type AttemptProbe = (probe: AppProbe, timeoutMs: number) => Promise<boolean>;

export interface ReadinessTiming {
  /** For probes without a period. */
  readonly intervalMs: number;
  readonly attemptTimeoutMs: number;
  readonly totalTimeoutMs: number;
}

/**
 * Whether the app is ready, asked when somebody asks us (reference §1.8). Callers at the same time share one answer. A probe without a
 * period belongs to a pod that is starting: it is repeated quickly, so that readiness is seen at once.
 */
export class Readiness {
  readonly #probes: readonly AppProbe[];
  readonly #attempt: AttemptProbe;
  readonly #timing: ReadinessTiming;
  readonly #clock: Clock;
  readonly #successes: Map<AppProbe, number> = new Map();
  #running: Promise<boolean> | undefined;

  constructor(probes: readonly AppProbe[], attempt: AttemptProbe, timing: ReadinessTiming, clock: Clock) {
    this.#probes = probes;
    this.#attempt = attempt;
    this.#timing = timing;
    this.#clock = clock;
  }

  probe(): Promise<boolean> {
    if (this.#probes.length === 0) return Promise.resolve(true);
    this.#running ??= this.#probeAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Every container must pass. */
  async #probeAll(): Promise<boolean> {
    const answers = await Promise.all(
      this.#probes.map((probe) =>
        probe.timing.periodSeconds > 0
          ? this.#attempt(probe, probe.timing.timeoutSeconds * 1000)
          : this.#probeUntilReady(probe),
      ),
    );
    return answers.every(Boolean);
  }

  async #probeUntilReady(probe: AppProbe): Promise<boolean> {
    const endMs = this.#clock.monotonic() + this.#timing.totalTimeoutMs;
    for (;;) {
      const startedMs = this.#clock.monotonic();
      const isUp = await this.#attempt(probe, this.#timing.attemptTimeoutMs);
      if (this.#countSuccess(probe, isUp) >= probe.timing.successThreshold) return true;
      if (probe.kind === "impossible") return false;
      const nextMs = startedMs + this.#timing.intervalMs;
      if (nextMs >= endMs) return false;
      await this.#sleepUntil(nextMs);
    }
  }

  /** Successes in a row, kept from one call to the next. */
  #countSuccess(probe: AppProbe, isUp: boolean): number {
    const count = isUp ? (this.#successes.get(probe) ?? 0) + 1 : 0;
    this.#successes.set(probe, count);
    return count;
  }

  #sleepUntil(timeMs: number): Promise<void> {
    const delayMs = timeMs - this.#clock.monotonic();
    return new Promise((resolve) => {
      if (delayMs > 0) this.#clock.setTimer(resolve, delayMs);
      else resolve();
    });
  }
}
