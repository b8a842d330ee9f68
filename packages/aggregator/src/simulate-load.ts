import type { Clock, Revision, ScalingSpec } from "@sluice/core";
import type { LoadSecond } from "./load-trace.ts";
import { RevisionScaler, type HearingState } from "./revision-scaler.ts";
import { SteadyTime } from "./steady-time.ts";

export interface SimulationOptions {
  readonly spec: ScalingSpec;
  /** Requests that one pod runs at once; 0 is no limit. */
  readonly containerConcurrency: number;
  /** From the decision to a pod that is ready. */
  readonly podStartSeconds: number;
  /** Pods that are ready when the trace begins. */
  readonly initialPods: number;
}

/** One second of the answer. */
export interface SimulatedSecond {
  readonly readyPods: number;
  readonly desiredPods: number;
  /** Requests in flight, waiting ones included. */
  readonly inFlight: number;
  /** Requests that wait for room in a pod. */
  readonly waiting: number;
}

export interface Simulation {
  readonly seconds: readonly SimulatedSecond[];
  readonly mostPods: number;
  readonly meanPods: number;
  /** What the pods cost: seconds that pods exist, added up. */
  readonly podSeconds: number;
  readonly mostWaiting: number;
  /** Waiting that a request has on average, in seconds, by Little's law. */
  readonly meanWaitSeconds: number;
  /** Times that load found no pod. */
  readonly coldStarts: number;
}

const evaluationSeconds = 2;
const hearing: HearingState = { isComplete: true, lastIncompleteMs: Number.NEGATIVE_INFINITY };

/**
 * Replays a load against other settings, through the very code that decides: what pods, waiting and cost it would
 * have had. The platform is a model: pods are ready some seconds after they are asked for and go at once. Load is
 * work: what does not fit into the ready pods waits, first come first served.
 */
export function simulateLoad(trace: readonly LoadSecond[], options: SimulationOptions): Simulation {
  const platform = new SimulatedPlatform(options);
  const seconds: SimulatedSecond[] = [];
  let waiting = 0;
  let requests = 0;
  let coldStarts = 0;
  for (const load of trace) {
    platform.advance();
    const inFlight = waiting + load.concurrency;
    const isCold = inFlight > 0 && platform.readyPods === 0 && (seconds.at(-1)?.inFlight ?? 0) === 0;
    if (isCold) coldStarts++;
    waiting = Math.max(0, inFlight - platform.capacity);
    requests += load.requests;
    platform.report(inFlight, load.requests, waiting);
    const { readyPods, desiredPods } = platform;
    seconds.push({ readyPods, desiredPods, inFlight, waiting });
  }
  return { seconds, ...sumUp(seconds, platform.podSeconds, requests), coldStarts };
}

function sumUp(seconds: readonly SimulatedSecond[], podSeconds: number, requests: number) {
  const totalWaiting = seconds.reduce((sum, second) => sum + second.waiting, 0);
  return {
    mostPods: Math.max(0, ...seconds.map((second) => second.readyPods)),
    meanPods: podSeconds / seconds.length,
    podSeconds,
    mostWaiting: Math.max(0, ...seconds.map((second) => second.waiting)),
    meanWaitSeconds: requests === 0 ? 0 : totalWaiting / requests,
  };
}

/** Does what the decisions say, after the time that pods need. */
class SimulatedPlatform {
  readyPods: number;
  podSeconds = 0;
  readonly #options: SimulationOptions;
  readonly #clock = new SimulatedClock();
  readonly #time = new SteadyTime(this.#clock);
  readonly #scaler: RevisionScaler;
  /** The seconds at which pods that were asked for are ready. */
  readonly #starting: number[] = [];
  #second = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.readyPods = options.initialPods;
    this.#scaler = new RevisionScaler(this.#facts(), { time: this.#time, owner: "simulation" });
  }

  get desiredPods(): number {
    return this.#scaler.decision?.desiredPods ?? this.#options.initialPods;
  }

  /** Requests that ready pods take at once. */
  get capacity(): number {
    if (this.readyPods === 0) return 0;
    const { containerConcurrency } = this.#options;
    return containerConcurrency === 0 ? Number.POSITIVE_INFINITY : containerConcurrency * this.readyPods;
  }

  /** The next second begins. */
  advance(): void {
    this.#second++;
    this.#clock.nowMs += 1000;
    while ((this.#starting[0] ?? Number.POSITIVE_INFINITY) <= this.#second) {
      this.#starting.shift();
      this.readyPods++;
    }
    this.podSeconds += this.readyPods + this.#starting.length;
  }

  report(inFlight: number, requestCount: number, held: number): void {
    const stat = {
      podName: "activator",
      averageConcurrentRequests: inFlight,
      averageProxiedConcurrentRequests: 0,
      requestCount,
      proxiedRequestCount: 0,
      processUptime: 0,
      timestamp: 0,
      held,
    };
    const nowMs = this.#time.nowMs();
    const isUrgent = this.#scaler.record(stat, Math.floor(nowMs / 1000), nowMs);
    if (!isUrgent && this.#second % evaluationSeconds !== 0) return;
    this.#scaler.evaluate(nowMs, hearing);
    this.#scale();
  }

  #scale(): void {
    const wanted = this.desiredPods;
    while (this.readyPods + this.#starting.length > wanted) {
      if (this.#starting.pop() === undefined) this.readyPods--;
    }
    const readyAt = this.#second + Math.max(1, this.#options.podStartSeconds);
    while (this.readyPods + this.#starting.length < wanted) this.#starting.push(readyAt);
    this.#scaler.update(this.#facts());
  }

  #facts() {
    const now = new Date(this.#clock.nowMs).toISOString();
    const revision: Revision = {
      kind: "revision",
      namespace: "simulation",
      name: "simulation",
      service: "simulation",
      containerConcurrency: this.#options.containerConcurrency,
      protocol: "http1",
      timeouts: { request: 300, responseStart: 0, idle: 0 },
      annotations: {},
      readiness: { probe: "tcp", hasStartupProbe: false },
      reachable: true,
      createdAt: startIso,
      // Everything goes through the activator here, whose report is the whole load.
      applied: { replicas: this.readyPods, mode: "proxy", modeSince: startIso, decidedAt: now },
    };
    return { revision, spec: this.#options.spec, readyPods: this.readyPods };
  }
}

const startMs = Date.UTC(2026, 0, 1);
const startIso = new Date(startMs).toISOString();

/** Goes on only when it is told to. */
class SimulatedClock implements Clock {
  nowMs = startMs;

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.nowMs - startMs;
  }

  setTimer(): () => void {
    throw new Error("nothing in a simulation waits");
  }
}
