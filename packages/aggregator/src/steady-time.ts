import type { Clock } from "@sluice/core";

/**
 * The time that windows and states are kept in: starts at the wall clock's and then goes on with the monotonic
 * clock, so that a wall clock that is set forward or back moves no window and ends no wait.
 */
export class SteadyTime {
  readonly #clock: Clock;
  readonly #offsetMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#offsetMs = clock.now() - clock.monotonic();
  }

  nowMs(): number {
    return this.#clock.monotonic() + this.#offsetMs;
  }

  /** The steady time of something that happened at `wallMs` by the wall clock as it is set now. Never in the future. */
  fromWall(wallMs: number): number {
    return this.nowMs() - Math.max(0, this.#clock.now() - wallMs);
  }

  /** The wall-clock time, as the clock is set now, of a steady time. */
  toIso(steadyMs: number): string {
    return new Date(this.#clock.now() - (this.nowMs() - steadyMs)).toISOString();
  }

  /**
   * The steady second of the wall-clock second that a stat is stamped with, or the present one when the stamp is
   * missing or more than two seconds off: a sender whose clock is wrong still counts, in the second it is heard.
   */
  toSecond(stampSeconds: number): number {
    const nowSecond = Math.floor(this.nowMs() / 1000);
    const wallMs = this.#clock.now();
    const age = Math.floor(wallMs / 1000) - stampSeconds;
    if (stampSeconds === 0 || !(Math.abs(age) <= maxStampSkewSeconds)) return nowSecond;
    // From the middle of the second, so that a steady time that is off by part of a second maps each to its own.
    return Math.floor((this.nowMs() - wallMs) / 1000 + stampSeconds + 0.5);
  }
}

const maxStampSkewSeconds = 2;
