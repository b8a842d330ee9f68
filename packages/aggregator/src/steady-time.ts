import type { Clock } from "@sluice/core";

/**
 * The time that windows and states are kept in: starts at the wall clock's and then goes on with the monotonic
 * clock, so that a wall clock that is set forward or back moves no window and ends no wait.
 */
export class SteadyTime {
  readonly #clock: Clock;
  readonly #offsetMs: number;
  #lastWallMs = Number.NaN;
  #lastIso = "";

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
    const wallMs = Math.floor(this.#clock.now() - (this.nowMs() - steadyMs));
    // Many evaluations fall into one millisecond.
    if (wallMs !== this.#lastWallMs) {
      this.#lastWallMs = wallMs;
      this.#lastIso = new Date(wallMs).toISOString();
    }
    return this.#lastIso;
  }

  /** Now, for everything that arrives together: clocks are read once. */
  instant(): Instant {
    return new Instant(this.nowMs(), this.#clock.now());
  }

  toSecond(stampSeconds: number): number {
    return this.instant().toSecond(stampSeconds);
  }
}

/** One moment, by the steady time and by the wall clock. */
export class Instant {
  readonly nowMs: number;
  readonly #wallMs: number;

  constructor(nowMs: number, wallMs: number) {
    this.nowMs = nowMs;
    this.#wallMs = wallMs;
  }

  /**
   * The steady second of the wall-clock second that a stat is stamped with, or the present one when the stamp is
   * missing or more than two seconds off: a sender whose clock is wrong still counts, in the second it is heard.
   */
  toSecond(stampSeconds: number): number {
    const age = Math.floor(this.#wallMs / 1000) - stampSeconds;
    if (stampSeconds === 0 || !(Math.abs(age) <= maxStampSkewSeconds)) return Math.floor(this.nowMs / 1000);
    // From the middle of the second, so that a steady time that is off by part of a second maps each to its own.
    return Math.floor((this.nowMs - this.#wallMs) / 1000 + stampSeconds + 0.5);
  }
}

const maxStampSkewSeconds = 2;
