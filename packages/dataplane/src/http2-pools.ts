import type { Clock } from "@sluice/core";
import { Http2Pool, type Http2PoolOptions } from "./http2-pool.ts";
import type { Target } from "./upstream-connection.ts";
import { toAuthority } from "./upstream-pools.ts";

/** One pool of HTTP/2 connections for each target, by prior knowledge. */
export class Http2Pools {
  readonly #options: Http2PoolOptions;
  readonly #clock: Clock;
  readonly #pools = new Map<string, Http2Pool>();

  constructor(options: Http2PoolOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  get(target: Target): Http2Pool {
    const key = toAuthority(target);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = new Http2Pool(target, this.#options, this.#clock);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** The target is gone: its connections end with the streams that are on them. */
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
