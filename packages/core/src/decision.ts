import * as v from "valibot";

const isoTime = v.pipe(v.string(), v.isoTimestamp());
const pods = v.pipe(v.number(), v.integer(), v.minValue(0));

/**
 * The aggregator's answer for one revision, as the scale endpoint serves it (docs/architecture.md). Numbers are plain and
 * at fixed paths, so that KEDA's `metrics-api` trigger can read them.
 */
export const decisionSchema = v.object({
  namespace: v.string(),
  name: v.string(),
  /** What the pod autoscaler's arithmetic asks for, before any bound. */
  recommendedPods: pods,
  /** The number to apply: after bounds, initial and activation scale and the scale-to-zero states. */
  desiredPods: pods,
  readyPods: pods,
  /** `proxy`: activators stay in the path. `serve`: callers may go straight to pods. */
  mode: v.picklist(["proxy", "serve"]),
  numActivators: pods,
  activation: v.object({ state: v.picklist(["active", "activating", "inactive"]), since: isoTime }),
  /** Capacity left after a burst of the configured size; negative keeps activators in the path. */
  excessBurstCapacity: v.number(),
  stableValue: v.number(),
  panicValue: v.number(),
  targetValue: v.number(),
  inPanicMode: v.boolean(),
  /** Requests in flight by the latest reports, held ones included. */
  inFlight: v.number(),
  /** Of those, requests that activators hold because no pod can take them. */
  held: v.number(),
  requestsPerSecond: v.number(),
  /** The aggregator that decided. */
  owner: v.string(),
  decidedAt: isoTime,
  /** One sentence for people. */
  reason: v.string(),
  /** The rule that gave the number: `stable`, `panic`, `idle`, `initial`, `no-data`, `gave-up`. */
  rule: v.optional(v.string()),
  /** The settings and waits that moved it, as in `reason`: `max-scale`, `panic-never-shrinks`, `grace-period`, … */
  limits: v.optional(v.array(v.string())),
});

export type Decision = v.InferOutput<typeof decisionSchema>;
