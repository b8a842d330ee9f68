/** One value that can still become the maximum of the window, and the slot in which it was recorded. */
export interface RecentMaximum {
  readonly slot: number;
  readonly value: number;
}

/**
 * The maxima of the last `slots` slots after one more value: newest last, values falling, so that the first is the
 * maximum. A value that a later one exceeds can never be the maximum again and is left out.
 */
export function recordMaximum(
  maxima: readonly RecentMaximum[],
  slot: number,
  value: number,
  slots: number,
): readonly RecentMaximum[] {
  const first = maxima.findIndex((entry) => slot - entry.slot < slots);
  const live = first < 0 ? [] : maxima.slice(first);
  while (live.length > 0 && (live.at(-1)?.value ?? 0) < value) live.pop();
  if (live.at(-1)?.slot !== slot) live.push({ slot, value });
  return live;
}
