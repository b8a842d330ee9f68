import type { SluiceError } from "@sluice/core";
import type { PodTracker } from "./pod-tracker.ts";

/**
 * A request that waits for a pod. The links are the queue's: a request is in one queue at most, and leaving it from the
 * middle costs the same as from the front, which matters when thousands of clients give up at once.
 */
export interface Waiter {
  previous: Waiter | undefined;
  next: Waiter | undefined;
  isHeld: boolean;
  /** Counts up from request to request of a revision: who came first goes first. */
  turn: number;
  /** Whose it is, where requests take turns; see `FairQueue`. */
  readonly fairKey: string;
  /** What holding it costs in memory: what it weighs at first, and what of its body has come since. */
  heldBytes: number;
  weigh(): number;
  /** A slot of this pod is the request's until `release`. */
  grant(pod: PodTracker): void;
  /** It will get no pod. */
  refuse(error: SluiceError): void;
}

/** First in, first out. */
export class HoldQueue {
  #first: Waiter | undefined;
  #last: Waiter | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(waiter: Waiter): void {
    waiter.previous = this.#last;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#add(waiter);
  }

  /** For a request that had a pod and comes back: it goes before all that came later, which is most often everybody. */
  putBack(waiter: Waiter): void {
    let next = this.#first;
    while (next !== undefined && next.turn < waiter.turn) next = next.next;
    if (next === undefined) return this.push(waiter);
    waiter.next = next;
    waiter.previous = next.previous;
    if (next.previous === undefined) this.#first = waiter;
    else next.previous.next = waiter;
    next.previous = waiter;
    this.#add(waiter);
  }

  shift(): Waiter | undefined {
    const first = this.#first;
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Harmless for a waiter that is not held. */
  remove(waiter: Waiter): boolean {
    if (!waiter.isHeld) return false;
    if (waiter.previous === undefined) this.#first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.#last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.previous = undefined;
    waiter.next = undefined;
    waiter.isHeld = false;
    this.#length--;
    return true;
  }

  #add(waiter: Waiter): void {
    waiter.isHeld = true;
    this.#length++;
  }
}
