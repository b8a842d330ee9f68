import { hasFreeSlot, type PodTracker } from "./pod-tracker.ts";

/** The pods with a free slot, in no order. Keeping the list right costs the same with one pod and with thousands. */
export class OpenPods {
  readonly #list: PodTracker[] = [];

  get list(): readonly PodTracker[] {
    return this.#list;
  }

  /** To be called whenever something changed that decides about a free slot. */
  refresh(tracker: PodTracker): void {
    const isOpen = hasFreeSlot(tracker);
    if (isOpen === tracker.openIndex >= 0) return;
    if (isOpen) {
      tracker.openIndex = this.#list.push(tracker) - 1;
      return;
    }
    const last = this.#list.pop();
    if (last !== undefined && last !== tracker) {
      this.#list[tracker.openIndex] = last;
      last.openIndex = tracker.openIndex;
    }
    tracker.openIndex = -1;
  }
}
