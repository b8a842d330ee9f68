import { toKey, type ObjectKey, type Service } from "@sluice/core";

const goldenRatio = 0.618_033_988_749_895;

/**
 * Where one service's requests go. Which part of the split a request falls into is no draw: the points fill [0, 1) evenly
 * (Weyl's sequence with the golden ratio), so after n requests each part is off by a few of them, where independent draws
 * would be off by the square root of n. Each service has a sequence of its own: what comes for others shifts nothing.
 */
export class TrafficSplit {
  readonly #keys: ObjectKey[] = [];
  /** Upper bound of each target's part of [0, 100). */
  readonly #bounds: number[] = [];
  readonly #tags: Map<string, ObjectKey> | undefined;
  #point: number;

  /** `seed` in [0, 1): where the sequence begins, so that activators do not all begin with the same revision. */
  constructor(service: Service, seed: number) {
    this.#point = seed;
    let bound = 0;
    let tags: Map<string, ObjectKey> | undefined;
    for (const target of service.traffic) {
      const key = toKey({ namespace: service.namespace, name: target.revision });
      if (target.tag !== undefined) tags = (tags ?? new Map()).set(target.tag, key);
      if (target.percent === 0) continue;
      bound += target.percent;
      this.#keys.push(key);
      this.#bounds.push(bound);
    }
    this.#tags = tags;
  }

  /** The revision for the next request; a tag's host always leads to the tag's. Undefined when nothing goes anywhere yet. */
  choose(tag: string | undefined): ObjectKey | undefined {
    if (tag !== undefined) return this.#tags?.get(tag);
    if (this.#keys.length <= 1) return this.#keys[0];
    this.#point = (this.#point + goldenRatio) % 1;
    const position = this.#point * (this.#bounds.at(-1) ?? 0);
    let index = 0;
    while (index < this.#bounds.length - 1 && position >= (this.#bounds[index] ?? 0)) index++;
    return this.#keys[index];
  }

  hasTag(tag: string): boolean {
    return this.#tags?.has(tag) === true;
  }
}
