import type { CancelTimer, Clock } from "@sluice/core";
import type { ProbeTarget, ReadinessProbe } from "./readiness-probe.ts";

export interface ReadinessRules {
  /** Between looks at a pod that is ready. */
  readonly periodMs: number;
  /** Misses in a row that make a ready pod not ready. */
  readonly failureThreshold: number;
}

/** Kubernetes' defaults for a pod that is ready. */
export const defaultReadinessRules: ReadinessRules = { periodMs: 10_000, failureThreshold: 3 };

const fastIntervalMs = 10;
const fastForMs = 10_000;
const slowIntervalMs = 1000;
const timeoutMs = 1000;

/** Until the first success somebody may be waiting for this pod, so it is asked often, for as long as that is plausible. */
export function decideProbeDelayMs(isReady: boolean, sinceStartMs: number, rules: ReadinessRules): number {
  if (isReady) return rules.periodMs;
  return sinceStartMs < fastForMs ? fastIntervalMs : slowIntervalMs;
}

/** Asks one pod again and again and reports each change of its readiness, as a kubelet would. */
export class ReadinessWatch {
  readonly #clock: Clock;
  readonly #probe: ReadinessProbe;
  readonly #target: ProbeTarget;
  readonly #rules: ReadinessRules;
  readonly #onChange: (isReady: boolean) => void;
  #isReady = false;
  #misses = 0;
  #startedMs: number;
  #round = 0;
  #cancelNext: CancelTimer | undefined;

  constructor(
    clock: Clock,
    probe: ReadinessProbe,
    target: ProbeTarget,
    onChange: (isReady: boolean) => void,
    rules: ReadinessRules = defaultReadinessRules,
  ) {
    this.#clock = clock;
    this.#probe = probe;
    this.#target = target;
    this.#onChange = onChange;
    this.#rules = rules;
    this.#startedMs = clock.monotonic();
  }

  /** The pod was just started, or something in it ended: it is not ready until it says so. */
  restart(): void {
    this.#startedMs = this.#clock.monotonic();
    this.#cancelNext?.();
    this.#round++;
    this.#set(false);
    void this.#ask(this.#round);
  }

  stop(): void {
    this.#round++;
    this.#cancelNext?.();
  }

  async #ask(round: number): Promise<void> {
    const isOk = await this.#probe(this.#target, timeoutMs);
    // An answer of a round that is over is about a process that is gone.
    if (round !== this.#round) return;
    this.#misses = isOk ? 0 : this.#misses + 1;
    if (isOk) this.#set(true);
    else if (this.#misses >= this.#rules.failureThreshold) this.#set(false);
    const delayMs = decideProbeDelayMs(this.#isReady, this.#clock.monotonic() - this.#startedMs, this.#rules);
    this.#cancelNext = this.#clock.setTimer(() => void this.#ask(round), delayMs);
  }

  #set(isReady: boolean): void {
    if (isReady === this.#isReady) return;
    this.#isReady = isReady;
    if (!isReady) this.#startedMs = this.#clock.monotonic();
    this.#onChange(isReady);
  }
}
