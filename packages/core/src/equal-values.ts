/** So many different values are remembered; then it starts over. */
const capacity = 1000;

/**
 * Keeps one copy of values that are equal: of ten thousand revisions most have the same time limits and many the same
 * annotations. What it returns may be shared with others, so nobody may change it.
 */
export class EqualValues {
  readonly #values = new Map<string, unknown>();

  share<T>(value: T): T {
    const key = JSON.stringify(value);
    const known = this.#values.get(key);
    // The same text parses to the same value, so it has the type of the one that is asked for.
    if (known !== undefined) return known as T;
    if (this.#values.size >= capacity) this.#values.clear();
    this.#values.set(key, value);
    return value;
  }
}
