import { toAuthority, type Target } from "./target.ts";

/** The connections to one target. */
export interface TargetPool {
  /** Connections end with the requests that are on them; nobody is to come any more. */
  retire(): void;
  /** Ends every connection, at once. */
  destroy(): void;
}

/** One pool of connections for each target, made when it is first asked for. */
export class TargetPools<Pool extends TargetPool> {
  readonly #create: (target: Target) => Pool;
  readonly #pools = new Map<string, Pool>();

  constructor(create: (target: Target) => Pool) {
    this.#create = create;
  }

  get(target: Target): Pool {
    const key = toAuthority(target);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = this.#create(target);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** The target is gone. */
  drop(target: Target): void {
    const key = toAuthority(target);
    this.#pools.get(key)?.retire();
    this.#pools.delete(key);
  }

  /** Ends every connection, at once. */
  close(): void {
    for (const pool of this.#pools.values()) pool.destroy();
    this.#pools.clear();
  }
}
