import type { Clock } from "@sluice/core";
import type { Target } from "./upstream-connection.ts";
import { UpstreamPool, type UpstreamPoolOptions } from "./upstream-pool.ts";

/** One pool of HTTP/1.1 connections for each target. */
export class UpstreamPools {
  readonly #options: UpstreamPoolOptions;
  readonly #clock: Clock;
  readonly #pools = new Map<string, UpstreamPool>();

  constructor(options: UpstreamPoolOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  get(target: Target): UpstreamPool {
    const key = toAuthority(target);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = new UpstreamPool(target, this.#options, this.#clock);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** The target is gone: its connections end with the requests that are on them. */
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

/** `address:port`, with the brackets that an IPv6 address needs. */
export function toAuthority(target: Target): string {
  return target.address.includes(":")
    ? `[${target.address}]:${target.port}`
    : `${target.address}:${target.port}`;
}
