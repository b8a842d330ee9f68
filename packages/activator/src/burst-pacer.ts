import type { Clock } from "@sluice/core";
import { firstBurst, type PodTracker } from "./pod-tracker.ts";

const pauseMs = 100;

/**
 * Thousands that were held do not go to a pod without a limit all at once: each would need a connection of its own, and
 * together they would overrun the pod's backlog. So many are released, and as they are answered the next, on the same connections
 * (of which as many are kept); where a while brings no answer, twice as many again.
 */
export class BurstPacer {
  readonly #clock: Pick<Clock, "setTimer">;
  readonly #onChanged: (pod: PodTracker) => void;
  readonly #onAllowed: () => void;

  /** `onChanged`: whether the pod takes more has changed. `onAllowed`: one takes more because time has passed. */
  constructor(clock: Pick<Clock, "setTimer">, onChanged: (pod: PodTracker) => void, onAllowed: () => void) {
    this.#clock = clock;
    this.#onChanged = onChanged;
    this.#onAllowed = onAllowed;
  }

  /** A request that was held is about to go to the pod. */
  noteReleased(pod: PodTracker): void {
    if (++pod.burst >= pod.burstLimit) this.#pause(pod);
  }

  /** A request is over at the pod. */
  noteOver(pod: PodTracker): void {
    if (pod.burst === 0) return;
    pod.burst--;
    if (pod.cancelBurst !== undefined && pod.burst < pod.burstLimit / 2) this.#allow(pod, pod.burstLimit);
  }

  /** Nobody waits any more: whoever comes goes straight on. */
  end(pods: Iterable<PodTracker>): void {
    for (const pod of pods) {
      if (pod.burst === 0) continue;
      pod.burst = 0;
      this.#allow(pod, firstBurst);
    }
  }

  #pause(pod: PodTracker): void {
    const before = pod.burst;
    pod.cancelBurst = this.#clock.setTimer(() => {
      if (pod.burst < before) {
        this.#pause(pod);
        return;
      }
      this.#allow(pod, 2 * pod.burstLimit);
      this.#onAllowed();
    }, pauseMs);
    this.#onChanged(pod);
  }

  #allow(pod: PodTracker, limit: number): void {
    pod.cancelBurst?.();
    pod.cancelBurst = undefined;
    pod.burstLimit = limit;
    this.#onChanged(pod);
  }
}
