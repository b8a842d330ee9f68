import type { Clock } from "@sluice/core";

/** Ports of the sidecar's own; 0 takes a free one. */
export interface ControlPorts {
  readonly stats: number;
  readonly metrics: number;
  readonly admin: number;
}

/** What a sidecar inside an app is told. Times are in milliseconds. */
export interface InProcessOptions {
  readonly namespace: string;
  readonly revision: string;
  readonly pod: string;
  /** For `target_info`. */
  readonly service?: string;
  readonly configuration?: string;
  /** Requests that the app runs at once; 0, the default, is no limit. */
  readonly containerConcurrency?: number;
  /** Requests that may wait, per request that may run. Default 10. */
  readonly queueDepthFactor?: number;
  /** How long a request may take in all. Default 300,000; 0 ends every request at once, as in Knative. */
  readonly requestTimeoutMs?: number;
  /** How long a request may take until its answer begins. Default 0: no limit. */
  readonly responseStartTimeoutMs?: number;
  /** How long an answer may pause. Default 0: no limit. */
  readonly idleTimeoutMs?: number;
  /** Draining ends when no request has started for so long. Default 30,000. */
  readonly quietPeriodMs?: number;
  /** How long requests and WebSockets may go on after the quiet period. Default 60,000. */
  readonly hijackDrainMs?: number;
  /** Whether the app is ready, asked by whoever probes the pod; an error is a no. Default: always. */
  readonly isReady?: () => boolean | Promise<boolean>;
  /** Who may set Knative's internal headers: addresses and CIDR ranges. Default: everybody, as in Knative. */
  readonly trustedPeers?: readonly string[];
  /** Address of the control ports. Default: all. */
  readonly bindAddress?: string;
  /** Defaults are the sidecar's: 9090, 9091, 8022. */
  readonly ports?: ControlPorts;
  readonly clock?: Clock;
}

export const inProcessDefaults = {
  containerConcurrency: 0,
  queueDepthFactor: 10,
  requestTimeoutMs: 300_000,
  responseStartTimeoutMs: 0,
  idleTimeoutMs: 0,
  quietPeriodMs: 30_000,
  hijackDrainMs: 60_000,
} as const;

type Limit = keyof typeof inProcessDefaults;

/** Reads what is a number. Throws RangeError for one that means nothing. */
export function readLimits(options: InProcessOptions): Readonly<Record<Limit, number>> {
  const limits: Record<Limit, number> = { ...inProcessDefaults };
  for (const name of Object.keys(inProcessDefaults) as Limit[]) {
    const value = options[name] ?? inProcessDefaults[name];
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`${name} must be a whole number, 0 or more, not ${String(value)}`);
    }
    limits[name] = value;
  }
  return limits;
}
