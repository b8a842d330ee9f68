import type { Pod } from "@sluice/core";

/**
 * How many of `pods` to ask so that the mean is right within 10 % with 95 % confidence, for a population of that
 * size (reference §3.7). Three or fewer are all asked.
 */
export function decideSampleSize(pods: number): number {
  if (pods <= 3) return pods;
  return Math.ceil((pods * sampleFactor) / (pods + sampleFactor - 1));
}

const sampleFactor = (1.96 ** 2 * 100) / 25;

/**
 * The order in which to ask pods: those older than the window first, since young ones have seen only part of it.
 * Whichever group a sample is cut from is shuffled.
 */
export function orderPods(
  pods: readonly Pod[],
  sample: number,
  options: { readonly oldBeforeMs: number; readonly random: () => number },
): Pod[] {
  const old: Pod[] = [];
  const young: Pod[] = [];
  for (const pod of pods) (Date.parse(pod.startedAt) <= options.oldBeforeMs ? old : young).push(pod);
  shuffle(old.length < sample ? young : old, options.random);
  return [...old, ...young];
}

/** Fisher and Yates, in place. */
function shuffle(pods: Pod[], random: () => number): void {
  for (let last = pods.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const [one, two] = [pods[last], pods[other]];
    if (one === undefined || two === undefined) continue;
    pods[last] = two;
    pods[other] = one;
  }
}
