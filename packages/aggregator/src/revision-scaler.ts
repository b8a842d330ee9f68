import type { Applied, Decision, Revision, ScalingSpec, Stat } from "@sluice/core";
import { decideIdleFromMs } from "./activity-gate.ts";
import { isSameDecision } from "./decision-history.ts";
import { decideRule, describeDecision, type ReasonFacts } from "./decision-reason.ts";
import { createPodsState, decidePods, type PodsAnswer, type PodsState } from "./decide-pods.ts";
import {
  createScaleState,
  decideScale,
  type ScaleAnswer,
  type ScaleObservation,
  type ScaleState,
} from "./decide-scale.ts";
import { RevisionLoad, type LoadReading } from "./revision-load.ts";
import type { SteadyTime } from "./steady-time.ts";

export interface RevisionScalerOptions {
  readonly time: SteadyTime;
  /** The aggregator's name, for `owner`. */
  readonly owner: string;
}

/** What the platform says about a revision. */
export interface RevisionFacts {
  readonly revision: Revision;
  readonly spec: ScalingSpec;
  /** Ready and not terminating. */
  readonly readyPods: number;
}

/** Whether anybody who would know of requests could be heard. Steady milliseconds. */
export interface HearingState {
  /** Every activator is connected, so their silence means zero. */
  readonly isComplete: boolean;
  /** The last time that it was not. */
  readonly lastIncompleteMs: number;
}

/** Reports are this late at most; a second without one is known to be silent after it. */
const reportDelaySeconds = 2;

/** Everything about one revision that this aggregator decides for: its load, its states, its last decision. */
export class RevisionScaler {
  readonly load: RevisionLoad;
  readonly #time: SteadyTime;
  readonly #owner: string;
  #facts: RevisionFacts;
  #scaleState: ScaleState;
  #podsState: PodsState;
  #answer: ScaleAnswer | undefined;
  #appliedModeSinceMs: number;
  #hasServed: boolean;
  /** Kept as text: worked out afresh it would differ by a millisecond each time. */
  #phaseSince: string;
  #decision: Decision | undefined;

  constructor(facts: RevisionFacts, options: RevisionScalerOptions) {
    const { revision, spec, readyPods } = facts;
    const nowMs = options.time.nowMs();
    this.#time = options.time;
    this.#owner = options.owner;
    this.#facts = facts;
    this.load = new RevisionLoad(spec, nowMs);
    this.#scaleState = createScaleState(Math.max(readyPods, revision.applied.replicas), nowMs);
    this.#podsState = createPodsState(
      spec,
      {
        readyPods,
        appliedReplicas: revision.applied.replicas,
        wasDecided: revision.applied.decidedAt !== undefined,
        isReachable: revision.reachable,
      },
      nowMs,
    );
    this.#appliedModeSinceMs = this.#time.fromWall(Date.parse(revision.applied.modeSince));
    this.#hasServed = revision.applied.mode === "serve" || readyPods > 0;
    this.#phaseSince = this.#time.toIso(nowMs);
  }

  get facts(): RevisionFacts {
    return this.#facts;
  }

  get decision(): Decision | undefined {
    return this.#decision;
  }

  /** Load asks for no pod, as far as is known: the next sign of load must be answered at once. */
  get isAtZero(): boolean {
    return (this.#answer?.recommendedPods ?? 0) === 0;
  }

  /** Nothing is wanted, so that what pods say decides whether the last one may go. */
  get isLeaving(): boolean {
    return this.#podsState.phase === "inactive" && this.#podsState.desiredPods > 0;
  }

  /**
   * Whether pods have to be asked for their load: activators do not see all of it, or did not when requests that may
   * still run began.
   */
  get needsScraping(): boolean {
    const { applied } = this.#facts.revision;
    if (this.#facts.readyPods === 0 || this.#facts.spec.targetBurstCapacity === -1) return false;
    return applied.mode === "serve" || (this.#hasServed && this.isLeaving);
  }

  /** The platform's news; evaluate after it. */
  update(facts: RevisionFacts): void {
    const { applied } = facts.revision;
    this.#noteApplied(this.#facts.revision.applied, applied);
    if (applied.mode === "serve") this.#hasServed = true;
    else if (facts.readyPods === 0) this.#hasServed = false;
    this.#facts = facts;
    this.load.resize(facts.spec);
  }

  /** Takes a plausible stat. Returns whether the decision cannot wait for the next evaluation. */
  record(stat: Stat, second: number, nowMs: number): boolean {
    this.load.record(stat, second, nowMs);
    return stat.averageConcurrentRequests > 0 && this.isAtZero;
  }

  /**
   * Decides anew. Returns the decision when it differs from the last one in more than its time, undefined while
   * nothing can be said or nothing changed.
   */
  evaluate(nowMs: number, hearing: HearingState): Decision | undefined {
    const { spec, revision, readyPods } = this.#facts;
    const isProxied = revision.applied.mode === "proxy";
    if (isProxied && hearing.isComplete && readyPods > 0) this.#recordSilence(nowMs);
    const reading = this.load.read(spec, nowMs);
    const observation = this.#observe(reading);
    if (observation !== undefined) {
      this.#answer = decideScale(spec, this.#scaleState, observation, nowMs);
      this.#scaleState = this.#answer.state;
    }
    const pods = this.#decidePods(nowMs, observation === undefined ? undefined : this.#answer, hearing);
    if (pods.state.sinceMs !== this.#podsState.sinceMs) this.#phaseSince = this.#time.toIso(nowMs);
    this.#podsState = pods.state;
    const isKnown = observation !== undefined || pods.isTimedOut || this.#isKnownWithoutLoad(hearing);
    if (!isKnown && this.#decision === undefined) return undefined;
    return this.#publish(nowMs, reading, observation, pods);
  }

  /** Activators report what they have; a second of which none spoke had nothing. */
  #recordSilence(nowMs: number): void {
    const second = Math.floor(nowMs / 1000) - reportDelaySeconds;
    if (second > this.load.lastReportSecond) this.load.add(second, 0, 0);
  }

  #observe(reading: LoadReading | undefined): ScaleObservation | undefined {
    if (reading === undefined) return undefined;
    const { revision, readyPods } = this.#facts;
    const { stableValue, panicValue } = reading;
    return { readyPods, stableValue, panicValue, isReachable: revision.reachable };
  }

  #decidePods(nowMs: number, scale: ScaleAnswer | undefined, hearing: HearingState): PodsAnswer {
    const { spec, revision, readyPods } = this.#facts;
    const lastActiveMs = Math.max(this.load.lastActiveMs, hearing.lastIncompleteMs);
    return decidePods(
      spec,
      this.#podsState,
      {
        recommendedPods: scale?.recommendedPods,
        excessBurstCapacity: scale?.excessBurstCapacity ?? this.#lastBurstCapacity(),
        readyPods,
        isReachable: revision.reachable,
        appliedMode: revision.applied.mode,
        appliedModeSinceMs: this.#appliedModeSinceMs,
        idleFromMs: decideIdleFromMs(spec, { lastActiveMs }),
      },
      nowMs,
    );
  }

  /** Before the first load is known: the capacity of what is there, as Knative starts with it. */
  #lastBurstCapacity(): number {
    if (this.#answer !== undefined) return this.#answer.excessBurstCapacity;
    const { spec, readyPods } = this.#facts;
    const { targetBurstCapacity } = spec;
    if (targetBurstCapacity <= 0) return targetBurstCapacity;
    return Math.floor(readyPods * spec.totalValue - targetBurstCapacity);
  }

  /** A new revision has its initial scale, and one at zero that nobody asks for stays there. */
  #isKnownWithoutLoad(hearing: HearingState): boolean {
    const { applied } = this.#facts.revision;
    if (this.#facts.readyPods > 0) return false;
    return applied.decidedAt === undefined
      ? applied.replicas === 0
      : applied.replicas === 0 && hearing.isComplete;
  }

  #publish(
    nowMs: number,
    reading: LoadReading | undefined,
    observation: ScaleObservation | undefined,
    pods: PodsAnswer,
  ): Decision | undefined {
    const { spec, revision, readyPods } = this.#facts;
    const scale = observation === undefined ? undefined : this.#answer;
    const isNew = revision.applied.decidedAt === undefined && revision.applied.replicas === 0;
    const facts: ReasonFacts = { spec, observation, scale, pods, readyPods, isNew };
    const rule = decideRule(facts);
    const { inFlight, held } = this.load.countInFlight(nowMs);
    const decision: Decision = {
      namespace: revision.namespace,
      name: revision.name,
      recommendedPods: scale?.recommendedPods ?? this.#decision?.recommendedPods ?? pods.desiredPods,
      desiredPods: pods.desiredPods,
      readyPods,
      mode: pods.mode,
      numActivators: pods.numActivators,
      activation: { state: pods.state.phase, since: this.#phaseSince },
      excessBurstCapacity: scale?.excessBurstCapacity ?? this.#lastBurstCapacity(),
      stableValue: reading?.stableValue ?? 0,
      panicValue: reading?.panicValue ?? 0,
      targetValue: spec.targetValue,
      inPanicMode: scale?.isPanicking ?? this.#scaleState.panicSinceMs !== undefined,
      inFlight,
      held,
      requestsPerSecond: reading?.requestsPerSecond ?? 0,
      owner: this.#owner,
      decidedAt: this.#time.toIso(nowMs),
      reason: describeDecision(rule, facts),
      rule,
      limits: [...(scale?.limits ?? []), ...pods.limits, ...(pods.wait === undefined ? [] : [pods.wait])],
    };
    if (this.#decision !== undefined && isSameDecision(this.#decision, decision)) return undefined;
    this.#decision = decision;
    return decision;
  }

  #noteApplied(before: Applied, after: Applied): void {
    if (before.mode === after.mode && before.modeSince === after.modeSince) return;
    this.#appliedModeSinceMs = this.#time.fromWall(Date.parse(after.modeSince));
  }
}
