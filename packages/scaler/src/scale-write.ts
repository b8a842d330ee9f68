import type { Decision } from "@sluice/core";
import type { DeploymentRecord } from "./deployment-record.ts";

/** The last write of ours, which the watch may not have shown yet. */
export interface OwnWrite {
  readonly replicas: number;
  readonly resourceVersion: string;
  readonly scaledAt: string;
}

export type ScaleStep =
  | { readonly write: number; readonly isOverride: boolean }
  | { readonly write: undefined; readonly reason: "same" | "refused" | "autoscaler" };

/** Resource versions grow; Kubernetes lets clients compare them since 1.35. Texts that are no numbers are not compared. */
export function hasReached(observed: string, written: string): boolean {
  if (!/^\d+$/.test(observed) || !/^\d+$/.test(written)) return observed === written;
  return BigInt(observed) >= BigInt(written);
}

/**
 * Whether a decision has to be written. Only a number that differs is: a scale that somebody else set is put back to the
 * decision, as Knative does, and `isOverride` says that this happened. A Deployment that was refused, or that a
 * HorizontalPodAutoscaler also sets, is left alone.
 */
export function decideScaleWrite(
  record: DeploymentRecord,
  decision: Decision,
  own: OwnWrite | undefined,
  hasAutoscaler: boolean,
): ScaleStep {
  if (record.revision === undefined || !record.isManaged) return { write: undefined, reason: "refused" };
  if (hasAutoscaler) return { write: undefined, reason: "autoscaler" };
  const isPending = own !== undefined && !hasReached(record.resourceVersion, own.resourceVersion);
  const current = isPending ? own.replicas : record.replicas;
  if (current === decision.desiredPods) return { write: undefined, reason: "same" };
  // Another replica, or an earlier start, may have written it.
  const written = own?.replicas ?? record.writtenReplicas;
  const isOverride = !isPending && written === decision.desiredPods;
  return { write: decision.desiredPods, isOverride };
}
