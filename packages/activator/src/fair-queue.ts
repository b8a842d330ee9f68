import type { Service } from "@sluice/core";
import { findHeader } from "./grpc-error.ts";
import { HoldQueue, type Waiter } from "./hold-queue.ts";

/** Names a header on a service: what is held goes to pods in turn by its values, so that no tenant waits behind all of another's. */
export const fairQueueAnnotation = "sluice.dev/fair-queue-header";

/** Whose request it is. All are one and the same where the service names no header; those without it are, too. */
export function toFairKey(headers: readonly string[], service: Service | undefined): string {
  const name = service?.annotations[fairQueueAnnotation];
  return name === undefined ? "" : (findHeader(headers, name.trim().toLowerCase()) ?? "");
}

/** The requests of one key, and whose turn comes before and after theirs. */
class Party {
  readonly key: string;
  readonly queue = new HoldQueue();
  previous: Party | undefined;
  next: Party | undefined;

  constructor(key: string) {
    this.key = key;
  }
}

/** Takes turns between keys; for one key first in, first out. Every step is constant time, however many keys there are. */
export class FairQueue {
  /** All that have somebody waiting; they stand in a row. */
  readonly #parties = new Map<string, Party>();
  #first: Party | undefined;
  #last: Party | undefined;
  #length = 0;
  #bytes = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(waiter: Waiter): void {
    this.#open(waiter).push(waiter);
    this.#length++;
    this.#bytes += waiter.heldBytes;
  }

  /** For a request that had a pod and comes back: it goes before all of its key that came later. */
  putBack(waiter: Waiter): void {
    this.#open(waiter).putBack(waiter);
    this.#length++;
    this.#bytes += waiter.heldBytes;
  }

  /** The oldest of the key whose turn it is. */
  shift(): Waiter | undefined {
    const party = this.#first;
    const waiter = party?.queue.shift();
    if (party === undefined || waiter === undefined) return undefined;
    this.#take(waiter);
    // The next turn is the others'.
    this.#leave(party);
    if (party.queue.length > 0) this.#line(party);
    else this.#parties.delete(party.key);
    return waiter;
  }

  /** More of its body has come. */
  grow(waiter: Waiter, bytes: number): void {
    waiter.heldBytes += bytes;
    this.#bytes += bytes;
  }

  /** Harmless for a waiter that is not held. */
  remove(waiter: Waiter): boolean {
    const party = this.#parties.get(waiter.fairKey);
    if (party?.queue.remove(waiter) !== true) return false;
    this.#take(waiter);
    if (party.queue.length > 0) return true;
    this.#leave(party);
    this.#parties.delete(party.key);
    return true;
  }

  #open({ fairKey }: Waiter): HoldQueue {
    let party = this.#parties.get(fairKey);
    if (party === undefined) {
      party = new Party(fairKey);
      this.#parties.set(fairKey, party);
      this.#line(party);
    }
    return party.queue;
  }

  #take({ heldBytes }: Waiter): void {
    this.#length--;
    this.#bytes -= heldBytes;
  }

  /** At the end of the row. */
  #line(party: Party): void {
    party.previous = this.#last;
    if (this.#last === undefined) this.#first = party;
    else this.#last.next = party;
    this.#last = party;
  }

  #leave(party: Party): void {
    if (party.previous === undefined) this.#first = party.next;
    else party.previous.next = party.next;
    if (party.next === undefined) this.#last = party.previous;
    else party.next.previous = party.previous;
    party.previous = undefined;
    party.next = undefined;
  }
}
