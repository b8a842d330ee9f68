import PQueue from "p-queue";
import { SluiceError } from "@sluice/core";
import { WaitingLine, type LinePlace } from "./waiting-line.ts";

/** Who wants through. Called once, at once or later, unless the pass left before. */
export interface GateVisitor {
  onAdmitted(): void;
}

export interface GateOptions {
  /** Visitors that are through at once, 0 or more. 0 lets nobody through until it is raised. */
  readonly concurrency: number;
  /** Visitors that may wait beyond those. */
  readonly queueDepth: number;
}

/** The right to be through: one task of p-queue, which lasts until `end`. */
interface Slot {
  end: () => void;
}

/** One visitor's way through the gate: waits, holds a slot, leaves once. The gate writes its fields. */
export class GatePass implements LinePlace<GatePass> {
  readonly visitor: GateVisitor;
  ahead: GatePass | undefined;
  behind: GatePass | undefined;
  state: "new" | "waiting" | "through" | "left" = "new";
  slot: Slot | undefined;

  constructor(visitor: GateVisitor) {
    this.visitor = visitor;
  }
}

/**
 * Lets `concurrency` visitors through and `queueDepth` more wait, first come first served (Knative's breaker). p-queue hands out
 * the slots. A slot goes from visitor to visitor and back to p-queue only when there are to be fewer, so that a request costs
 * neither a task nor a promise.
 */
export class Gate {
  readonly #queue: PQueue;
  readonly #line = new WaitingLine<GatePass>();
  readonly #free: Slot[] = [];
  #slots = 0;
  #concurrency: number;
  #queueDepth: number;
  #inFlight = 0;
  #isServing = false;

  constructor(options: GateOptions) {
    this.#queue = new PQueue({ concurrency: Math.max(1, options.concurrency) });
    this.#concurrency = options.concurrency;
    this.#queueDepth = options.queueDepth;
  }

  /** Passes that wait or are through. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Passes that wait. */
  get waiting(): number {
    return this.#line.length;
  }

  /** Throws `queue-full` when as many wait as may. Otherwise the visitor is called, perhaps before this returns. */
  enter(pass: GatePass): void {
    if (this.#inFlight >= this.#concurrency + this.#queueDepth) throw new SluiceError("queue-full");
    this.#inFlight++;
    pass.state = "waiting";
    this.#line.push(pass);
    this.#serve();
  }

  /** Gives the slot back, or leaves the line. Harmless when the pass never entered or has left. */
  leave(pass: GatePass): void {
    const { state, slot } = pass;
    if (state === "new" || state === "left") return;
    pass.state = "left";
    this.#inFlight--;
    if (slot === undefined) {
      this.#line.remove(pass);
      return;
    }
    pass.slot = undefined;
    if (this.#slots > this.#concurrency) this.#end(slot);
    else this.#free.push(slot);
    this.#serve();
  }

  /** Takes effect for the next visitors; those beyond a lowered limit finish. */
  resize(options: GateOptions): void {
    this.#concurrency = options.concurrency;
    this.#queueDepth = options.queueDepth;
    this.#queue.concurrency = Math.max(1, options.concurrency);
    while (this.#slots > this.#concurrency && this.#free.length > 0) this.#end(this.#free.pop());
    this.#serve();
  }

  /** A loop and no recursion: a visitor may leave while it is called, and the line may be long. */
  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    try {
      while (this.#line.length > 0) {
        const slot = this.#free.pop() ?? this.#open();
        if (slot === undefined) break;
        this.#admit(slot);
      }
    } finally {
      // A visitor that throws must not shut the gate for all others.
      this.#isServing = false;
    }
  }

  #admit(slot: Slot): void {
    const pass = this.#line.shift();
    if (pass === undefined) return;
    pass.state = "through";
    pass.slot = slot;
    pass.visitor.onAdmitted();
  }

  /** One slot more, as long as there may be. */
  #open(): Slot | undefined {
    if (this.#slots >= this.#concurrency) return undefined;
    this.#slots++;
    const { promise, resolve } = Promise.withResolvers<void>();
    void this.#queue.add(() => promise);
    return { end: resolve };
  }

  #end(slot: Slot | undefined): void {
    this.#slots--;
    slot?.end();
  }
}
