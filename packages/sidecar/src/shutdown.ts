import { once } from "node:events";
import type { Clock } from "@sluice/core";
import { waitInStage, type Stage } from "@sluice/kit";
import type { Drainer } from "./drainer.ts";
import type { Pipeline } from "./pipeline.ts";

export interface ShutdownParts {
  readonly clock: Clock;
  readonly drainer: Drainer;
  readonly pipeline: Pipeline;
  readonly forwarder: { endTunnels(): void };
  readonly http1: { close(): void; closeIdleConnections(): void };
  readonly http2: { goAway(): void };
  /** How long requests and tunnels may go on after the quiet period. */
  readonly hijackDrainMs: number;
  /** SIGTERM is here: a drain that is under way is not taken back any more. */
  readonly beginTermination: () => void;
  /** Ends what is left: timers, ports, connections. */
  readonly closeAll: () => void | Promise<void>;
}

/** A pod that still gets requests goes on draining; Kubernetes ends that at the end of the pod's grace period. */
const drainLimitMs = 24 * 3_600_000;

/** What WebSockets get to answer our close. */
const goodbyeMs = 1000;

/** How a sidecar stops: it waits until nobody sends any more, then for what is in flight, and leaves as soon as that has ended. */
export function createStopStages(parts: ShutdownParts): Stage[] {
  const { clock, drainer, pipeline, forwarder, http1, http2, hijackDrainMs } = parts;
  return [
    {
      name: "drain",
      timeoutMs: drainLimitMs,
      async run(signal) {
        parts.beginTermination();
        http2.goAway();
        await Promise.race([drainer.drain(), once(signal, "abort")]);
      },
    },
    {
      name: "close listener",
      timeoutMs: 1000,
      run() {
        http1.close();
        http1.closeIdleConnections();
      },
    },
    {
      // WebSockets would go on for ever: at the end of the grace they are told, and get a moment to say goodbye.
      name: "requests in flight",
      timeoutMs: hijackDrainMs + 2 * goodbyeMs,
      async run(signal) {
        await Promise.race([pipeline.idle(), waitInStage(clock, hijackDrainMs, signal)]);
        forwarder.endTunnels();
        await Promise.race([pipeline.idle(), waitInStage(clock, goodbyeMs, signal)]);
      },
    },
    { name: "infrastructure", timeoutMs: 10_000, run: parts.closeAll },
  ];
}

/** Tells a drain that SIGTERM began from one that `/wait-for-drain` began, which is taken back. */
export interface Termination {
  readonly beginTermination: () => void;
  readonly scheduleReset: () => void;
}

export function createTermination(resetDelayMs: number, clock: Clock, drainer: Drainer): Termination {
  let isTerminating = false;
  return {
    beginTermination: () => void (isTerminating = true),
    scheduleReset: () =>
      void clock.setTimer(() => {
        if (!isTerminating) drainer.reset();
      }, resetDelayMs),
  };
}
