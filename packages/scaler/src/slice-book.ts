import { toKey, type Clock, type ObjectKey } from "@sluice/core";
import { toSliceName, type SliceRecord, type SliceRole } from "./endpoint-slice.ts";

const roles: readonly SliceRole[] = ["activators", "pods"];
/** A watch that is cut off must not hold a Service up. */
const seenTimeoutMs = 1000;

/** Our EndpointSlices, as our own watch shows them. No I/O. */
export class SliceBook {
  readonly #clock: Clock;
  readonly #slices = new Map<ObjectKey, SliceRecord>();
  readonly #waiting = new Map<ObjectKey, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(record: SliceRecord): void {
    const key = toKey(record);
    this.#slices.set(key, record);
    this.#waiting.get(key)?.();
  }

  delete(record: SliceRecord): void {
    const key = toKey(record);
    this.#slices.delete(key);
    this.#waiting.get(key)?.();
  }

  /** The slices of a Service. */
  of(service: ObjectKey): ReadonlyMap<SliceRole, SliceRecord> {
    const found = new Map<SliceRole, SliceRecord>();
    for (const role of roles) {
      const slice = this.#slices.get(toSliceName(service, role));
      if (slice !== undefined) found.set(role, slice);
    }
    return found;
  }

  /** Every Service that has slices. */
  services(): ReadonlySet<ObjectKey> {
    const keys = [...this.#slices.values()].map(({ namespace, service }) =>
      toKey({ namespace, name: service }),
    );
    return new Set(keys);
  }

  /** Does `write`, and waits until the watch shows its outcome: whoever looks earlier would write the same again. */
  async writeAndSee(key: ObjectKey, write: () => Promise<void>): Promise<void> {
    const seen = Promise.withResolvers<void>();
    this.#waiting.set(key, seen.resolve);
    let cancel = (): void => undefined;
    try {
      await write();
      cancel = this.#clock.setTimer(seen.resolve, seenTimeoutMs);
      await seen.promise;
    } finally {
      cancel();
      this.#waiting.delete(key);
    }
  }
}
