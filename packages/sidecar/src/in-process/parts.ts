import type { Clock } from "@sluice/core";
import { Gate, RequestLimits } from "@sluice/dataplane";
import { Drainer } from "../drainer.ts";
import { RequestMetrics } from "../metrics/request-metrics.ts";
import { toTarget } from "../metrics/target.ts";
import { PeerTrust } from "../peer-trust.ts";
import { Pipeline } from "../pipeline.ts";
import { createTermination, type Termination } from "../shutdown.ts";
import { StatReporter } from "../stat-reporter.ts";
import { readLimits, type InProcessOptions } from "./options.ts";

/** The sidecar's insides, as they are in a process of its own, but for the way to the app. */
export interface InProcessParts extends Termination {
  readonly clock: Clock;
  readonly limits: ReturnType<typeof readLimits>;
  readonly drainer: Drainer;
  readonly stats: StatReporter;
  readonly metrics: RequestMetrics;
  readonly pipeline: Pipeline;
}

export const reportPeriodMs = 1000;
const drainResetMs = 1000;
const appAddress = "localhost";

/** Throws RangeError for a limit or a peer that means nothing. */
export function createInProcessParts(options: InProcessOptions, clock: Clock): InProcessParts {
  const limits = readLimits(options);
  const drainer = new Drainer(clock, limits.quietPeriodMs);
  const stats = new StatReporter(clock, options.pod, reportPeriodMs);
  const metrics = new RequestMetrics(createTarget(options), { address: appAddress });
  const pipeline = new Pipeline({
    clock,
    trust: new PeerTrust(options.trustedPeers ?? []),
    drainer,
    prober: { probe: async () => (await options.isReady?.()) ?? true },
    limits: new RequestLimits(
      {
        requestMs: limits.requestTimeoutMs,
        responseStartMs: limits.responseStartTimeoutMs,
        idleMs: limits.idleTimeoutMs,
      },
      clock,
    ),
    stats,
    appAuthority: appAddress,
    gate: createGate(limits.containerConcurrency, limits.queueDepthFactor),
    recorders: [metrics],
  });
  return {
    clock,
    limits,
    drainer,
    stats,
    metrics,
    pipeline,
    ...createTermination(drainResetMs, clock, drainer),
  };
}

function createTarget({
  namespace,
  revision,
  pod,
  service = "",
  configuration = "",
}: InProcessOptions): ReturnType<typeof toTarget> {
  return toTarget({ namespace, revision, pod, service, configuration, podName: "", otelServiceName: "" });
}

function createGate(concurrency: number, queueDepthFactor: number): Gate | undefined {
  if (concurrency === 0) return undefined;
  return new Gate({ concurrency, queueDepth: concurrency * queueDepthFactor });
}
