/** A method of whatever object, its own arguments and result unknown. */
export type Method = (...values: unknown[]) => unknown;

/**
 * Functions in the place of an object's methods, for a while. Node tells by no event what an app does with a response or a
 * socket, so this is how it is seen.
 */
export class StandIns {
  readonly #target: object;
  readonly #before = new Map<string, PropertyDescriptor | undefined>();

  constructor(target: object) {
    this.#target = target;
  }

  /** `make` gets what was there before, bound to its object. An object without such a method is left as it is. */
  put(name: string, make: (original: Method) => Method): void {
    const target = this.#target;
    const original: unknown = Reflect.get(target, name);
    if (typeof original !== "function") return;
    if (!this.#before.has(name)) this.#before.set(name, Object.getOwnPropertyDescriptor(target, name));
    const value = make((...values) => Reflect.apply(original, target, values) as unknown);
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
  }

  /** Everything is as it was before, whatever others have put in front since. */
  removeAll(): void {
    for (const [name, descriptor] of this.#before) {
      if (descriptor === undefined) Reflect.deleteProperty(this.#target, name);
      else Object.defineProperty(this.#target, name, descriptor);
    }
    this.#before.clear();
  }
}

/**
 * What is said from now on with these methods is dropped as if it had been taken: `result` is what they return, and callbacks are
 * called.
 */
export function makeDeaf(target: object, names: readonly string[], result: unknown): void {
  const deaf: Method = (...values) => {
    const callback = values.at(-1);
    if (typeof callback === "function") process.nextTick(() => void Reflect.apply(callback, target, []));
    return result;
  };
  const standIns = new StandIns(target);
  for (const name of names) standIns.put(name, () => deaf);
}

/** How many bytes a chunk has that is handed to a stream. */
export function toByteLength(chunk: unknown, encoding: unknown): number {
  if (chunk instanceof Uint8Array) return chunk.byteLength;
  if (typeof chunk !== "string") return 0;
  return Buffer.byteLength(
    chunk,
    typeof encoding === "string" && Buffer.isEncoding(encoding) ? encoding : "utf8",
  );
}
