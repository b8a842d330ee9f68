import type { Clock, Revision } from "@sluice/core";
import { RequestLimits } from "@sluice/dataplane";

/**
 * The waits of requests by their lengths, shared by all revisions with the same: most have Knative's defaults, so that one
 * timer serves thousands of them.
 */
export class LimitsBook {
  readonly #clock: Clock;
  readonly #limits = new Map<string, RequestLimits>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  find({ request, responseStart, idle }: Revision["timeouts"]): RequestLimits {
    const key = `${request} ${responseStart} ${idle}`;
    let limits = this.#limits.get(key);
    if (limits === undefined) {
      limits = new RequestLimits(
        { requestMs: request * 1000, responseStartMs: responseStart * 1000, idleMs: idle * 1000 },
        this.#clock,
      );
      this.#limits.set(key, limits);
    }
    return limits;
  }
}
