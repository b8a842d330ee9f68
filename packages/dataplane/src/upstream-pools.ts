import { Pool, type Dispatcher } from "undici";

/** Where a request goes: an address without brackets, and a port. */
export interface Target {
  readonly address: string;
  readonly port: number;
}

export interface UpstreamPoolOptions {
  /** Connections per target, at most; 0 is no limit. */
  readonly connectionsPerTarget: number;
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept when the target does not say. */
  readonly idleTimeoutMs: number;
  /** Bytes of response head that are accepted. */
  readonly maxHeadBytes: number;
}

/** One undici pool of HTTP/1.1 connections per target. Time limits of requests are the caller's, so undici's are off. */
export class UpstreamPools {
  readonly #options: UpstreamPoolOptions;
  readonly #pools = new Map<string, Pool>();

  constructor(options: UpstreamPoolOptions) {
    this.#options = options;
  }

  get(target: Target): Dispatcher {
    const key = toAuthority(target);
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = this.#create(key);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** The target is gone: its connections end with the requests that are on them. */
  drop(target: Target): void {
    const key = toAuthority(target);
    const pool = this.#pools.get(key);
    this.#pools.delete(key);
    if (pool !== undefined) void pool.close();
  }

  /** Ends every connection, at once. */
  async close(): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #create(authority: string): Pool {
    const { connectionsPerTarget } = this.#options;
    return new Pool(`http://${authority}`, {
      ...(connectionsPerTarget > 0 && { connections: connectionsPerTarget }),
      pipelining: 1,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      connectTimeout: this.#options.connectTimeoutMs,
      keepAliveTimeout: this.#options.idleTimeoutMs,
      maxHeaderSize: this.#options.maxHeadBytes,
    });
  }
}

/** `address:port`, with the brackets that an IPv6 address needs. */
export function toAuthority(target: Target): string {
  return target.address.includes(":")
    ? `[${target.address}]:${target.port}`
    : `${target.address}:${target.port}`;
}
