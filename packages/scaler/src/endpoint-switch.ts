import type { SliceRole, WantedSlice } from "./endpoint-slice.ts";

/** Where the switch of one Service stands; kept between decisions. */
export interface SwitchState {
  /** Since when our own watch has shown the wanted slice, by monotonic time. */
  readonly seenSinceMs?: number;
}

export interface SwitchView {
  /** Who should be behind the Service: one of them, never none. */
  readonly wanted: WantedSlice;
  /** The slices that exist, as our own watch shows them. */
  readonly existing: ReadonlyMap<SliceRole, { readonly content: string }>;
  readonly nowMs: number;
  /** How long nodes may take to follow a slice; both old and new are good meanwhile. */
  readonly settleMs: number;
}

export interface SwitchStep {
  readonly state: SwitchState;
  /** The wanted slice has to be created or replaced. */
  readonly write?: WantedSlice;
  /** The other one may go. */
  readonly remove?: SliceRole;
  /** Nothing to do now, but look again after so long. */
  readonly againInMs?: number;
  /** Only the wanted ones are behind the Service. */
  readonly isDone: boolean;
}

/**
 * The next step of leading a Service to other endpoints without losing a request: the new ones are added, then seen and
 * given time to reach the nodes, and only then the old ones are removed (DESIGN §2; the order of every safe switch).
 */
export function decideSwitch(view: SwitchView, state: SwitchState): SwitchStep {
  const { wanted, existing, nowMs, settleMs } = view;
  const other: SliceRole = wanted.role === "pods" ? "activators" : "pods";
  if (existing.get(wanted.role)?.content !== wanted.content) {
    return { state: {}, write: wanted, isDone: false };
  }
  if (!existing.has(other)) return { state: {}, isDone: true };
  const seenSinceMs = state.seenSinceMs ?? nowMs;
  const leftMs = seenSinceMs + settleMs - nowMs;
  if (leftMs > 0) return { state: { seenSinceMs }, againInMs: leftMs, isDone: false };
  return { state: { seenSinceMs }, remove: other, isDone: false };
}
