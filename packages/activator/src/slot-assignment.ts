import type { Pod } from "@sluice/core";

/**
 * How many requests this activator may have in each pod, by its name, when `count` activators share the pods of a revision
 * and each pod runs `limit` at once (0: no limit, everybody uses every pod).
 *
 * All slots stand in one row, pod behind pod in the order in which the pods started, and are dealt out in turn: slot n
 * belongs to activator n modulo `count`. So parts differ by one slot at most, no slot has two owners, every activator
 * reaches as many pods as it can, and a pod that comes moves nobody else's slots. Only when there are fewer slots than
 * activators are slots shared, because an activator without any could never serve what it holds: then the
 * pod's sidecar queues. Knative hands out whole pods, which leaves activators unequal (two share three pods as 2 + 1).
 */
export function assignSlots(
  pods: readonly Pick<Pod, "name" | "startedAt">[],
  limit: number,
  index: number,
  count: number,
): Map<string, number> {
  const shares = new Map<string, number>();
  if (limit === 0 || count <= 1 || index < 0) {
    for (const { name } of pods) shares.set(name, limit === 0 ? Number.POSITIVE_INFINITY : limit);
    return shares;
  }
  const total = pods.length * limit;
  if (total === 0) return shares;
  const owned = total < count ? index % total : index;
  let start = 0;
  for (const { name } of pods.toSorted(compareAge)) {
    const slots = countOwned(start, start + limit, owned, count);
    if (slots > 0) shares.set(name, slots);
    start += limit;
  }
  return shares;
}

/** Numbers from `start` up to but not including `end` that are `remainder` modulo `count`. */
function countOwned(start: number, end: number, remainder: number, count: number): number {
  return Math.ceil((end - remainder) / count) - Math.ceil((start - remainder) / count);
}

function compareAge(one: Pick<Pod, "name" | "startedAt">, other: Pick<Pod, "name" | "startedAt">): number {
  if (one.startedAt !== other.startedAt) return one.startedAt < other.startedAt ? -1 : 1;
  return one.name < other.name ? -1 : 1;
}
