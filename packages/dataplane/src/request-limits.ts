import type { Clock } from "@sluice/core";
import { DeadlineQueue, type Deadline, type DeadlineOwner } from "./deadline-queue.ts";

export type LimitKind = "request" | "response-start" | "idle";

/** Milliseconds. `responseStartMs` and `idleMs` of 0 are off; a request limit of 0 is not: it ends every request at once. */
export interface LimitDurations {
  readonly requestMs: number;
  readonly responseStartMs: number;
  readonly idleMs: number;
}

/** The waits of one request. */
export class RequestDeadlines {
  readonly request: Deadline<LimitKind>;
  readonly responseStart: Deadline<LimitKind> | undefined;
  readonly idle: Deadline<LimitKind> | undefined;

  constructor(
    request: Deadline<LimitKind>,
    responseStart: Deadline<LimitKind> | undefined,
    idle: Deadline<LimitKind> | undefined,
  ) {
    this.request = request;
    this.responseStart = responseStart;
    this.idle = idle;
  }
}

/** The three time limits of a revision's requests (reference §1.6), all counted from the request's arrival. */
export class RequestLimits {
  readonly #request: DeadlineQueue<LimitKind>;
  readonly #responseStart: DeadlineQueue<LimitKind> | undefined;
  readonly #idle: DeadlineQueue<LimitKind> | undefined;

  readonly requestMs: number;

  constructor(durations: LimitDurations, clock: Clock) {
    this.requestMs = durations.requestMs;
    this.#request = new DeadlineQueue("request", durations.requestMs, clock);
    if (durations.responseStartMs > 0) {
      this.#responseStart = new DeadlineQueue("response-start", durations.responseStartMs, clock);
    }
    if (durations.idleMs > 0) this.#idle = new DeadlineQueue("idle", durations.idleMs, clock);
  }

  start(owner: DeadlineOwner<LimitKind>): RequestDeadlines {
    return new RequestDeadlines(
      this.#request.start(owner),
      this.#responseStart?.start(owner),
      this.#idle?.start(owner),
    );
  }

  /** Anything of the response is on its way: its start no longer counts, and the idle time begins anew. */
  touch(deadlines: RequestDeadlines): void {
    if (deadlines.responseStart !== undefined) this.#responseStart?.cancel(deadlines.responseStart);
    if (deadlines.idle !== undefined) this.#idle?.restart(deadlines.idle);
  }

  stop(deadlines: RequestDeadlines): void {
    this.#request.cancel(deadlines.request);
    if (deadlines.responseStart !== undefined) this.#responseStart?.cancel(deadlines.responseStart);
    if (deadlines.idle !== undefined) this.#idle?.cancel(deadlines.idle);
  }
}
