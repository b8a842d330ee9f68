import type { QueueAddOptions } from "p-queue";
import type { GatePass } from "./gate.ts";

type Run = () => Promise<unknown>;

/** What the gate hands to p-queue's `add` and p-queue hands on to the line. */
export interface LineOptions extends QueueAddOptions {
  readonly pass?: GatePass;
}

/**
 * First in, first out, for p-queue: a linked list through the passes themselves. p-queue's own queue sorts by priority
 * and removes in O(n); here a client that goes away leaves the middle of a long line in O(1).
 */
export class WaitingLine {
  size = 0;
  #first: GatePass | undefined;
  #last: GatePass | undefined;

  enqueue(run: Run, options?: Partial<LineOptions>): void {
    const pass = options?.pass;
    if (pass === undefined) throw new TypeError("only passes can wait in the line");
    pass.line = this;
    pass.run = run;
    pass.ahead = this.#last;
    if (this.#last === undefined) this.#first = pass;
    else this.#last.behind = pass;
    this.#last = pass;
    this.size++;
  }

  dequeue(): Run | undefined {
    const pass = this.#first;
    return pass === undefined ? undefined : this.take(pass);
  }

  /** Takes a waiting pass out, from anywhere in the line, and returns what p-queue wants to run for it. */
  take(pass: GatePass): Run | undefined {
    const { run, ahead, behind } = pass;
    if (run === undefined) return undefined;
    if (ahead === undefined) this.#first = behind;
    else ahead.behind = behind;
    if (behind === undefined) this.#last = ahead;
    else behind.ahead = ahead;
    pass.line = undefined;
    pass.run = undefined;
    pass.ahead = undefined;
    pass.behind = undefined;
    this.size--;
    return run;
  }

  /** Part of p-queue's contract; every pass is equal and none is named, so there is nothing to find. */
  filter(): Run[] {
    return [];
  }

  setPriority(): void {}

  remove(): void {}
}
