/**
 * How many requests this activator may have in each pod, when `count` activators share the pods of a revision and each
 * pod runs `limit` at once (0: no limit, everybody uses every pod).
 *
 * All slots stand in one row, sorted by pod; activator `index` owns the `index`-th part of it. So parts differ by one slot at
 * most, no slot has two owners, and the pods are not asked for more than they run. Only when there are fewer slots
 * than activators are slots shared, because an activator without any could never serve what it holds: then the
 * pod's sidecar queues. Knative hands out whole pods, which leaves activators unequal (two share three pods as 2 + 1).
 */
export function assignSlots(
  pods: readonly string[],
  limit: number,
  index: number,
  count: number,
): Map<string, number> {
  const shares = new Map<string, number>();
  if (limit === 0 || count <= 1 || index < 0) {
    for (const pod of pods) shares.set(pod, limit === 0 ? Number.POSITIVE_INFINITY : limit);
    return shares;
  }
  const sorted = pods.toSorted();
  const total = sorted.length * limit;
  if (total === 0) return shares;
  const isShared = total < count;
  const start = isShared ? index % total : Math.floor((index * total) / count);
  const end = isShared ? start + 1 : Math.floor(((index + 1) * total) / count);
  for (let pod = Math.floor(start / limit); pod * limit < end; pod++) {
    const slots = Math.min(end, (pod + 1) * limit) - Math.max(start, pod * limit);
    const name = sorted[pod];
    if (name !== undefined && slots > 0) shares.set(name, slots);
  }
  return shares;
}
