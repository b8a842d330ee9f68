import type { SluiceError } from "@sluice/core";
import type { Waiter } from "../../../packages/activator/src/hold-queue.ts";
import type { PodTracker } from "../../../packages/activator/src/pod-tracker.ts";

/** A request that remembers what was decided about it. */
export class FakeWaiter implements Waiter {
  previous: Waiter | undefined;
  next: Waiter | undefined;
  isHeld = false;
  turn = 0;
  heldBytes = 0;
  readonly fairKey: string;
  readonly #bytes: number;
  readonly id: number;
  pod: PodTracker | undefined;
  error: SluiceError | undefined;
  /** How often something was decided. */
  answers = 0;
  onGrant: ((pod: PodTracker) => void) | undefined;

  constructor(id = 0, heldBytes = 100, fairKey = "") {
    this.fairKey = fairKey;
    this.id = id;
    this.#bytes = heldBytes;
  }

  weigh(): number {
    return this.#bytes;
  }

  grant(pod: PodTracker): void {
    this.answers++;
    this.pod = pod;
    this.onGrant?.(pod);
  }

  refuse(error: SluiceError): void {
    this.answers++;
    this.error = error;
  }
}
