import * as v from "valibot";
import { EqualValues } from "./equal-values.ts";

/**
 * The objects that a platform publishes on the feed, and activators and aggregators read (docs/architecture.md).
 * One schema is both the check of every line and the type; unknown fields are dropped, so that a newer
 * platform can talk to an older data plane.
 */
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(253));
const timestamp = v.pipe(v.string(), v.isoTimestamp());
const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const seconds = v.pipe(v.number(), v.minValue(0));

// A large feed is mostly the same small values over and over, and a list that grew has room that it will never need: both are
// most of what an idle revision would weigh.
const equalValues = new EqualValues();
const annotations = v.pipe(
  v.record(v.string(), v.string()),
  v.transform((value) => equalValues.share(value)),
);
function listOf<Item extends v.GenericSchema>(item: Item) {
  return v.pipe(
    v.array(item),
    v.transform((items) => items.slice()),
  );
}

/** What is wrong, in a word for programs and a sentence for people: `CrashLoopBackOff`, "exited with code 1 …". */
export const failureSchema = v.object({ reason: name, message: v.string() });

export const serviceSchema = v.object({
  kind: v.literal("service"),
  namespace: name,
  name,
  hosts: listOf(
    v.object({
      /** Lower case, without port; `*.` in front makes it a wildcard. */
      host: name,
      /** The traffic target that this host leads to; without one the split applies. */
      tag: v.optional(name),
      /** `cluster` hosts are answered on internal listeners only. */
      visibility: v.picklist(["public", "cluster"]),
    }),
  ),
  /** Percents sum to 100 over the untagged split; an entry with percent 0 exists for its tag. */
  traffic: listOf(
    v.object({
      revision: name,
      percent: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100)),
      tag: v.optional(name),
    }),
  ),
  /** `sluice.dev/…` annotations of the service (the waiting page, for one). */
  annotations: v.optional(annotations, {}),
});

/** What the platform did about a decision; the aggregator's scale-to-zero states need to know. */
export const appliedSchema = v.object({
  replicas: count,
  mode: v.picklist(["proxy", "serve"]),
  modeSince: timestamp,
  /** `decidedAt` of the decision that was applied last; absent before the first. */
  decidedAt: v.optional(timestamp),
  /** When `replicas` last changed. */
  scaledAt: v.optional(timestamp),
});

export const revisionSchema = v.object({
  kind: v.literal("revision"),
  namespace: name,
  name,
  service: name,
  /** Requests that one pod runs at once; 0 is no limit. */
  containerConcurrency: count,
  protocol: v.picklist(["http1", "h2c"]),
  /** Seconds; 0 switches a limit off (the request limit is never off). */
  timeouts: v.pipe(
    v.object({ request: seconds, responseStart: seconds, idle: seconds }),
    v.transform((value) => equalValues.share(value)),
  ),
  /** `autoscaling.knative.dev/…` and other annotations that scaling reads. */
  annotations,
  readiness: v.pipe(
    v.object({ probe: v.picklist(["http", "tcp", "grpc", "exec"]), hasStartupProbe: v.boolean() }),
    v.transform((value) => equalValues.share(value)),
  ),
  /** Whether any route leads here; an unreachable revision ignores its min-scale. */
  reachable: v.boolean(),
  createdAt: timestamp,
  /** Why no pod can start, when the platform knows. Held requests are answered with it. */
  failure: v.optional(failureSchema),
  applied: appliedSchema,
});

export const podSchema = v.object({
  kind: v.literal("pod"),
  namespace: name,
  revision: name,
  name,
  /** IPv4 or IPv6 address, no brackets. */
  address: name,
  ports: v.object({ main: port, h2c: v.optional(port), stats: port, metrics: port, admin: port }),
  /** The platform's verdict (kubelet's on Kubernetes). */
  ready: v.boolean(),
  terminating: v.boolean(),
  startedAt: timestamp,
  failure: v.optional(failureSchema),
});

const memberPorts = v.record(v.string(), port);

/** `ports` has `public`, `internal` and `admin`. */
export const activatorSchema = v.object({
  kind: v.literal("activator"),
  name,
  address: name,
  ports: memberPorts,
});

/** `ports` has `http`, or `https` where it speaks TLS: scale endpoint, stats WebSocket and metrics on one port. */
export const aggregatorSchema = v.object({
  kind: v.literal("aggregator"),
  name,
  address: name,
  ports: memberPorts,
});

export const feedObjectSchema = v.variant("kind", [
  serviceSchema,
  revisionSchema,
  podSchema,
  activatorSchema,
  aggregatorSchema,
]);

export type Failure = v.InferOutput<typeof failureSchema>;
export type Service = v.InferOutput<typeof serviceSchema>;
export type Applied = v.InferOutput<typeof appliedSchema>;
export type Revision = v.InferOutput<typeof revisionSchema>;
export type Pod = v.InferOutput<typeof podSchema>;
export type ActivatorMember = v.InferOutput<typeof activatorSchema>;
export type AggregatorMember = v.InferOutput<typeof aggregatorSchema>;
export type FeedObject = v.InferOutput<typeof feedObjectSchema>;

/** Unique over the whole feed: `kind/namespace/name`, or `kind/name` for members. */
export function toFeedKey(object: FeedObject): string {
  return "namespace" in object
    ? `${object.kind}/${object.namespace}/${object.name}`
    : `${object.kind}/${object.name}`;
}
