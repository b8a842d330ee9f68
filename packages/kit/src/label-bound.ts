/** What values beyond the bound are counted under. */
export const otherLabel = "other";

/**
 * Keeps a label's cardinality bounded, so that a flood of names cannot grow a registry without end: the first
 * `capacity` values stand for themselves, later ones for `other` until one is deleted.
 */
export class LabelBound {
  readonly #capacity: number;
  readonly #values = new Set<string>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  toLabel(value: string): string {
    if (this.#values.has(value)) return value;
    if (this.#values.size >= this.#capacity) return otherLabel;
    this.#values.add(value);
    return value;
  }

  /** Frees the place of a value whose series were removed. */
  delete(value: string): void {
    this.#values.delete(value);
  }
}
