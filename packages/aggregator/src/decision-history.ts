import type { Decision } from "@sluice/core";

const capacity = 32;

/** The last decisions of one revision, oldest first; the same story told again replaces the last one. */
export class DecisionHistory {
  readonly #entries: Decision[] = [];

  get entries(): readonly Decision[] {
    return this.#entries;
  }

  push(decision: Decision): void {
    const last = this.#entries.at(-1);
    if (last !== undefined && isSameStory(last, decision)) this.#entries.pop();
    if (this.#entries.length >= capacity) this.#entries.shift();
    this.#entries.push(decision);
  }
}

/** Whether only measured values moved. */
function isSameStory(one: Decision, other: Decision): boolean {
  return (
    one.desiredPods === other.desiredPods &&
    one.recommendedPods === other.recommendedPods &&
    one.readyPods === other.readyPods &&
    one.mode === other.mode &&
    one.numActivators === other.numActivators &&
    one.activation.state === other.activation.state &&
    one.rule === other.rule &&
    one.owner === other.owner &&
    hasSameLimits(one.limits, other.limits)
  );
}

function hasSameLimits(one: readonly string[] = [], other: readonly string[] = []): boolean {
  return one.length === other.length && one.every((limit, index) => limit === other[index]);
}

/** Whether a watcher would learn nothing but the time of the evaluation. */
export function isSameDecision(one: Decision, other: Decision): boolean {
  return (
    isSameStory(one, other) &&
    one.stableValue === other.stableValue &&
    one.panicValue === other.panicValue &&
    one.targetValue === other.targetValue &&
    one.excessBurstCapacity === other.excessBurstCapacity &&
    one.inFlight === other.inFlight &&
    one.held === other.held &&
    one.requestsPerSecond === other.requestsPerSecond &&
    one.inPanicMode === other.inPanicMode &&
    one.activation.since === other.activation.since &&
    one.reason === other.reason
  );
}
