import type { Clock, Decision, ObjectKey } from "@sluice/core";
import { WatchHub } from "@sluice/kit";
import { DecisionHistory } from "./decision-history.ts";
import type { DecisionSink } from "./fleet.ts";

/** Every decision that is in force, whoever made it, how each came about, and everybody who watches them. */
export class DecisionBook implements DecisionSink {
  readonly hub: WatchHub<Decision>;
  readonly #decisions = new Map<ObjectKey, Decision>();
  readonly #histories = new Map<ObjectKey, DecisionHistory>();
  readonly #listeners = new Set<(key: ObjectKey, decision: Decision) => void>();

  constructor(clock: Clock) {
    this.hub = new WatchHub<Decision>({ clock });
  }

  get decisions(): ReadonlyMap<ObjectKey, Decision> {
    return this.#decisions;
  }

  put(key: ObjectKey, decision: Decision): void {
    if (this.#decisions.get(key) === decision) return;
    this.#decisions.set(key, decision);
    this.hub.set(key, decision);
    let history = this.#histories.get(key);
    if (history === undefined) {
      history = new DecisionHistory();
      this.#histories.set(key, history);
    }
    history.push(decision);
    for (const listener of this.#listeners) listener(key, decision);
  }

  delete(key: ObjectKey): void {
    this.#decisions.delete(key);
    this.#histories.delete(key);
    this.hub.delete(key);
  }

  find(key: ObjectKey): Decision | undefined {
    return this.#decisions.get(key);
  }

  historyOf(key: ObjectKey): readonly Decision[] {
    return this.#histories.get(key)?.entries ?? [];
  }

  /** Calls `listener` for each decision from now on; returns how to stop it. */
  subscribe(listener: (key: ObjectKey, decision: Decision) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
