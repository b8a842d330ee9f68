import type { SteadyTime } from "./steady-time.ts";
import type { HearingState } from "./revision-scaler.ts";

/** One open connection on which stats come. */
export interface StatConnection {
  /** The activators that spoke on it, or that it said it is. */
  readonly names: Set<string>;
}

/**
 * Who can be heard. While every activator that the feed names has its connection, silence about a revision means
 * that it has no requests; while one is missing it means nothing.
 */
export class Hearing implements HearingState {
  readonly #time: SteadyTime;
  readonly #connections = new Set<StatConnection>();
  #activators: ReadonlySet<string> = new Set();
  #lastIncompleteMs: number;
  #isComplete = true;

  constructor(time: SteadyTime) {
    this.#time = time;
    this.#lastIncompleteMs = Number.NEGATIVE_INFINITY;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  get lastIncompleteMs(): number {
    return this.#isComplete ? this.#lastIncompleteMs : this.#time.nowMs();
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  setActivators(names: Iterable<string>): void {
    this.#activators = new Set(names);
    this.#update();
  }

  open(connection: StatConnection): void {
    this.#connections.add(connection);
    this.#update();
  }

  close(connection: StatConnection): void {
    this.#connections.delete(connection);
    this.#update();
  }

  /** A connection turned out to belong to an activator. */
  identify(connection: StatConnection, name: string): void {
    if (connection.names.has(name) || connection.names.size >= maxNames) return;
    connection.names.add(name);
    this.#update();
  }

  /** Connections that have not said who they are stand for as many activators that are not known otherwise. */
  #update(): void {
    const heard = new Set<string>();
    let anonymous = 0;
    for (const { names } of this.#connections) {
      if (names.size === 0) anonymous++;
      for (const name of names) heard.add(name);
    }
    let missing = 0;
    for (const name of this.#activators) if (!heard.has(name)) missing++;
    const isComplete = missing <= anonymous;
    if (this.#isComplete !== isComplete) this.#lastIncompleteMs = this.#time.nowMs();
    this.#isComplete = isComplete;
  }
}

/** A connection that forwards for others has several; a flood of invented names is not kept. */
const maxNames = 64;
