import { SluiceError } from "@sluice/core";

export interface HoldLimits {
  readonly maxRequests: number;
  readonly maxBytes: number;
}

/** Which bound a request would break: what the client reads and the metric counts. */
export type HoldBound =
  | "revision-requests"
  | "revision-bytes"
  | "process-requests"
  | "process-bytes"
  | "process-time";

interface Held {
  readonly length: number;
  readonly bytes: number;
}

/** What this process holds over all revisions, against its bounds. */
export class HoldBudget {
  readonly #process: HoldLimits;
  readonly #revision: HoldLimits;
  #requests = 0;
  #bytes = 0;

  constructor(limits: { readonly process: HoldLimits; readonly revision: HoldLimits }) {
    this.#process = limits.process;
    this.#revision = limits.revision;
  }

  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The bound that stands in the way of one more request in `queue`, if any. */
  findBound(queue: Held, bytes: number): HoldBound | undefined {
    if (queue.length >= this.#revision.maxRequests) return "revision-requests";
    if (this.#requests >= this.#process.maxRequests) return "process-requests";
    return this.findByteBound(queue, bytes);
  }

  /** The bound that stands in the way of more bytes for a request in `queue`, if any. */
  findByteBound(queue: Held, bytes: number): HoldBound | undefined {
    if (queue.bytes + bytes > this.#revision.maxBytes) return "revision-bytes";
    return this.#bytes + bytes > this.#process.maxBytes ? "process-bytes" : undefined;
  }

  take(bytes: number): void {
    this.#requests++;
    this.#bytes += bytes;
  }

  grow(bytes: number): void {
    this.#bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#requests--;
    this.#bytes -= bytes;
  }
}

const boundBodies: Readonly<Record<HoldBound, string>> = {
  "revision-requests": "too many requests wait for this revision",
  "revision-bytes": "requests that wait for this revision take too much memory",
  "process-requests": "too many requests wait in this activator",
  "process-bytes": "requests that wait in this activator take too much memory",
  "process-time": "no pod became ready in time",
};

export function toHoldError(bound: HoldBound): SluiceError {
  return new SluiceError("hold-limit", boundBodies[bound], { isPublic: true });
}
