import PQueue from "p-queue";
import { SluiceError } from "@sluice/core";
import { WaitingLine, type LineOptions } from "./waiting-line.ts";

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

/** One visitor's way through the gate: waits, holds a slot, leaves once. */
export class GatePass {
  readonly visitor: GateVisitor;
  /** The line and the place in it; only the line writes these. */
  line: WaitingLine | undefined;
  run: (() => Promise<unknown>) | undefined;
  ahead: GatePass | undefined;
  behind: GatePass | undefined;
  state: "new" | "waiting" | "through" | "left" = "new";
  /** Ends p-queue's task, which is what holds the slot. */
  end: (() => void) | undefined;

  constructor(visitor: GateVisitor) {
    this.visitor = visitor;
  }
}

/**
 * Lets `concurrency` visitors through and `queueDepth` more wait, first come first served (Knative's breaker). p-queue
 * counts the slots: each pass is one of its tasks, which lasts until the pass leaves.
 */
export class Gate {
  readonly #queue: PQueue<WaitingLine, LineOptions>;
  #concurrency: number;
  #queueDepth: number;
  #inFlight = 0;

  constructor(options: GateOptions) {
    this.#queue = new PQueue<WaitingLine, LineOptions>({
      concurrency: Math.max(1, options.concurrency),
      autoStart: options.concurrency > 0,
      queueClass: WaitingLine,
    });
    this.#concurrency = options.concurrency;
    this.#queueDepth = options.queueDepth;
  }

  /** Passes that wait or are through. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Passes that wait. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Throws `queue-full` when as many wait as may. Otherwise the visitor is called, perhaps before this returns. */
  enter(pass: GatePass): void {
    if (this.#inFlight >= this.#concurrency + this.#queueDepth) throw new SluiceError("queue-full");
    this.#inFlight++;
    pass.state = "waiting";
    // The constant name saves p-queue a number per task; nothing is ever looked up by it.
    void this.#queue.add(() => this.#hold(pass), { id: "", pass });
  }

  /** Enters only if a slot is free and nobody waits for it; says whether it did. The visitor is called within a few microtasks. */
  tryEnter(pass: GatePass): boolean {
    if (this.#inFlight >= this.#concurrency) return false;
    this.enter(pass);
    return true;
  }

  /** Gives the slot back, or leaves the line. Harmless when the pass never entered or has left. */
  leave(pass: GatePass): void {
    const before = pass.state;
    if (before === "new" || before === "left") return;
    pass.state = "left";
    this.#inFlight--;
    if (before === "through") {
      pass.end?.();
      return;
    }
    // p-queue forgets a task only by running it, so the task runs outside of its turn and finds that the pass has left.
    const run = pass.line?.take(pass);
    if (run !== undefined) void run();
  }

  /** Takes effect for the next visitors; those beyond a lowered limit finish. */
  resize(options: GateOptions): void {
    this.#concurrency = options.concurrency;
    this.#queueDepth = options.queueDepth;
    if (options.concurrency === 0) {
      this.#queue.pause();
      return;
    }
    this.#queue.concurrency = options.concurrency;
    this.#queue.start();
  }

  #hold(pass: GatePass): Promise<void> | undefined {
    if (pass.state !== "waiting") return undefined;
    pass.state = "through";
    return new Promise((resolve) => {
      pass.end = resolve;
      pass.visitor.onAdmitted();
    });
  }
}
