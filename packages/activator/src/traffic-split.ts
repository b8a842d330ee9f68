import { toKey, type ObjectKey, type Service } from "@sluice/core";

/** Where one service's requests go. Built once for each version of the service, then only read. */
export class TrafficSplit {
  readonly #keys: ObjectKey[] = [];
  /** Upper bound of each target's part of [0, 100). */
  readonly #bounds: number[] = [];
  readonly #tags: Map<string, ObjectKey> | undefined;

  constructor(service: Service) {
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

  /**
   * The revision for a request. `point` in [0, 1) says where in the split it falls; a tag's host always leads to the
   * tag's revision. Undefined when the service sends nothing anywhere yet.
   */
  choose(tag: string | undefined, point: number): ObjectKey | undefined {
    if (tag !== undefined) return this.#tags?.get(tag);
    if (this.#keys.length <= 1) return this.#keys[0];
    const position = point * (this.#bounds.at(-1) ?? 0);
    let index = 0;
    while (index < this.#bounds.length - 1 && position >= (this.#bounds[index] ?? 0)) index++;
    return this.#keys[index];
  }

  hasTag(tag: string): boolean {
    return this.#tags?.has(tag) === true;
  }
}

const goldenRatio = 0.618_033_988_749_895;

/**
 * Points in [0, 1) that fill the interval evenly (Weyl's sequence with the golden ratio): after n requests each part
 * of a split is off by a few requests, where independent draws would be off by the square root of n.
 */
export function createPointSequence(seed: number): () => number {
  let point = seed % 1;
  return () => {
    point += goldenRatio;
    if (point >= 1) point -= 1;
    return point;
  };
}
