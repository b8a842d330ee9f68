import type { CancelTimer, Clock } from "@sluice/core";

/** Whoever waits for a time limit. */
export interface DeadlineOwner<Kind> {
  onDeadline(kind: Kind): void;
}

/** One wait. Only the queue that it stands in touches its fields. */
export class Deadline<Kind> {
  readonly owner: DeadlineOwner<Kind>;
  dueMs = 0;
  earlier: Deadline<Kind> | undefined;
  later: Deadline<Kind> | undefined;
  isWaiting = false;

  constructor(owner: DeadlineOwner<Kind>) {
    this.owner = owner;
  }
}

/**
 * All waits of one length. Because they are equally long, the one that started first ends first: a linked list keeps
 * them in order, start, cancel and restart are O(1), and one timer serves however many requests there are.
 */
export class DeadlineQueue<Kind> {
  readonly durationMs: number;
  readonly #kind: Kind;
  readonly #clock: Clock;
  #first: Deadline<Kind> | undefined;
  #last: Deadline<Kind> | undefined;
  #cancelTimer: CancelTimer | undefined;

  constructor(kind: Kind, durationMs: number, clock: Clock) {
    this.#kind = kind;
    this.durationMs = durationMs;
    this.#clock = clock;
  }

  /** The owner hears `onDeadline` once, `durationMs` from now, unless the wait is cancelled or restarted. */
  start(owner: DeadlineOwner<Kind>): Deadline<Kind> {
    const deadline = new Deadline(owner);
    this.#append(deadline);
    return deadline;
  }

  /** The full time again, from now. Does nothing once the wait is over. */
  restart(deadline: Deadline<Kind>): void {
    if (!deadline.isWaiting) return;
    this.#remove(deadline);
    this.#append(deadline);
  }

  /** Harmless when the wait is over. */
  cancel(deadline: Deadline<Kind>): void {
    if (deadline.isWaiting) this.#remove(deadline);
  }

  #append(deadline: Deadline<Kind>): void {
    deadline.dueMs = this.#clock.monotonic() + this.durationMs;
    deadline.earlier = this.#last;
    deadline.isWaiting = true;
    if (this.#last === undefined) this.#first = deadline;
    else this.#last.later = deadline;
    this.#last = deadline;
    if (this.#cancelTimer === undefined) this.#arm(this.durationMs);
  }

  #remove(deadline: Deadline<Kind>): void {
    const { earlier, later } = deadline;
    if (earlier === undefined) this.#first = later;
    else earlier.later = later;
    if (later === undefined) this.#last = earlier;
    else later.earlier = earlier;
    deadline.earlier = undefined;
    deadline.later = undefined;
    deadline.isWaiting = false;
  }

  #arm(delayMs: number): void {
    this.#cancelTimer = this.#clock.setTimer(() => this.#expire(), delayMs);
  }

  /** The timer may come early for the first that is left, when those before it were cancelled: then it is set anew. */
  #expire(): void {
    this.#cancelTimer = undefined;
    const nowMs = this.#clock.monotonic();
    for (let first = this.#first; first !== undefined && first.dueMs <= nowMs; first = this.#first) {
      this.#remove(first);
      first.owner.onDeadline(this.#kind);
    }
    // A timer may fire a fraction of a millisecond before its time; it is never set for less than one.
    if (this.#first !== undefined && this.#cancelTimer === undefined) {
      this.#arm(Math.max(1, this.#first.dueMs - nowMs));
    }
  }
}
