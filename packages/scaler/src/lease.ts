import { isJson, jsonOf, textOf, type Json } from "./api-object.ts";

/** Knative's and client-go's numbers. */
export const leaseDurationMs = 15_000;
export const leaseRenewMs = 5000;
/** A holder that could not renew for so long stops writing, well before another may begin. */
export const leaseGiveUpMs = 10_000;

/** What one replica remembers of the lease between looks at it. */
export interface LeaseMemory {
  /** The renewal that was seen last, and when it was seen by our own clock. Clocks of machines differ; this one is ours. */
  readonly seen: string;
  readonly seenAtMs: number;
}

export type LeaseStep =
  | { readonly action: "create" | "renew" | "take"; readonly memory: LeaseMemory }
  | { readonly action: "wait"; readonly memory: LeaseMemory };

/** The pod of an identity, `{pod}_{one start of it}`. */
function toPod(identity: string): string {
  return identity.slice(0, Math.max(0, identity.lastIndexOf("_")));
}

/**
 * What to do about the lease: create what does not exist, renew one's own, take one that was given back or that nobody
 * renewed for its whole duration since we first saw its last renewal, and wait otherwise. At the first look, a lease of an
 * earlier start of the same pod is taken at once: kubelet starts a container again only after the last one has ended.
 */
export function decideLease(
  lease: Json | undefined,
  identity: string,
  memory: LeaseMemory | undefined,
  nowMs: number,
): LeaseStep {
  const fresh = { seen: "", seenAtMs: nowMs };
  if (lease === undefined) return { action: "create", memory: fresh };
  const spec = jsonOf(lease["spec"]);
  const holder = textOf(spec["holderIdentity"]);
  const seen = `${holder} ${textOf(spec["renewTime"])}`;
  if (holder === identity) return { action: "renew", memory: { seen, seenAtMs: nowMs } };
  const isPredecessor = memory === undefined && toPod(holder) !== "" && toPod(holder) === toPod(identity);
  if (holder === "" || isPredecessor) return { action: "take", memory: fresh };
  const current = memory?.seen === seen ? memory : { seen, seenAtMs: nowMs };
  const seconds = Number(spec["leaseDurationSeconds"] ?? leaseDurationMs / 1000);
  const isOver = nowMs - current.seenAtMs >= seconds * 1000;
  return { action: isOver ? "take" : "wait", memory: current };
}

/** Kubernetes' MicroTime. */
function toMicroTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}

/** The lease that says "held by `identity`, renewed now". */
export function toLease(
  previous: Json | undefined,
  action: "create" | "renew" | "take",
  facts: {
    readonly name: string;
    readonly namespace: string;
    readonly identity: string;
    readonly wallMs: number;
  },
): Json {
  const spec = jsonOf(previous?.["spec"]);
  const now = toMicroTime(facts.wallMs);
  const transitions = Number(spec["leaseTransitions"] ?? 0);
  const metadata = isJson(previous?.["metadata"])
    ? previous["metadata"]
    : { name: facts.name, namespace: facts.namespace };
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata,
    spec: {
      holderIdentity: facts.identity,
      leaseDurationSeconds: leaseDurationMs / 1000,
      acquireTime: action === "renew" ? spec["acquireTime"] : now,
      renewTime: now,
      leaseTransitions: action === "take" ? transitions + 1 : transitions,
    },
  };
}
