import type { Clock } from "@sluice/core";
import { ConnectionFault, errorCode } from "./error-code.ts";

/** How often something may happen: `burst` at once, and `perSecond` again as time goes by. */
interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
}

/** Counts one kind of event. The clock is asked only when the burst is used up. */
class Budget {
  readonly #allowance: Allowance;
  readonly #clock: Clock;
  #left: number;
  #filledMs: number;

  constructor(allowance: Allowance, clock: Clock) {
    this.#allowance = allowance;
    this.#clock = clock;
    this.#left = allowance.burst;
    this.#filledMs = clock.monotonic();
  }

  /** False when there have been too many. */
  spend(): boolean {
    if (--this.#left >= 0) return true;
    const nowMs = this.#clock.monotonic();
    const earned = Math.floor(((nowMs - this.#filledMs) / 1000) * this.#allowance.perSecond);
    this.#left = Math.min(this.#allowance.burst, earned) - 1;
    this.#filledMs = nowMs;
    return this.#left >= 0;
  }

  /** One more may happen. */
  refund(): void {
    if (this.#left < this.#allowance.burst) this.#left++;
  }
}

/**
 * Streams that were opened and came to nothing (rapid reset, CVE-2023-44487, and those that the peer makes us reset,
 * CVE-2025-8671). Node's own limit is 1,000 and 33 a second. An activator carries many clients' calls, and those give up together,
 * so every stream that ends as it should allows one more.
 */
const futileStreams: Allowance = { burst: 1000, perSecond: 50 };

/**
 * Frames that ask for work and bring nothing: PING, SETTINGS, PRIORITY, DATA without data (CVE-2019-9512, -9515, -9513, -9518), resets
 * of what has ended. Servers send one of the last for every request whose body they did not want, so each stream allows one.
 */
const idleFrames: Allowance = { burst: 10_000, perSecond: 1000 };

/** Keeps a peer from costing more than what it does is worth. Everything throws `ConnectionFault` when it has been too much. */
export class AbuseGuard {
  readonly #futile: Budget;
  readonly #idle: Budget;

  constructor(clock: Clock) {
    this.#futile = new Budget(futileStreams, clock);
    this.#idle = new Budget(idleFrames, clock);
  }

  countFutileStream(): void {
    if (!this.#futile.spend()) throw new ConnectionFault(errorCode.enhanceYourCalm, "too many streams reset");
  }

  countUsefulStream(): void {
    this.#futile.refund();
    this.#idle.refund();
  }

  countIdleFrame(): void {
    if (!this.#idle.spend()) throw new ConnectionFault(errorCode.enhanceYourCalm, "too many idle frames");
  }
}
