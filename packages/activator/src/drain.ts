import type { Exchange } from "./exchange.ts";

/** Which requests are inside, and whether more are welcome. */
export class Drain {
  #size = 0;
  /**
   * Those that may become tunnels, which are told to go. Not every request: V8 keeps what was in a set when the set grew
   * anew until the next full collection, which at many short requests is half of all.
   */
  readonly #tunnels = new Set<Exchange>();
  #empty: PromiseWithResolvers<void> | undefined;
  #isDraining = false;

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Requests inside. */
  get size(): number {
    return this.#size;
  }

  enter(exchange: Exchange): void {
    this.#size++;
    if (exchange.wantsUpgrade) this.#tunnels.add(exchange);
  }

  leave(exchange: Exchange): void {
    this.#size--;
    if (exchange.wantsUpgrade) this.#tunnels.delete(exchange);
    if (this.#size === 0) this.#empty?.resolve();
  }

  /** From here on this activator says that it wants no traffic; what comes is still served. */
  begin(): void {
    this.#isDraining = true;
  }

  /** WebSockets are told to go; requests end in their own time. */
  waitForEmpty(): Promise<void> {
    for (const tunnel of this.#tunnels) tunnel.goAway();
    if (this.#size === 0) return Promise.resolve();
    this.#empty ??= Promise.withResolvers<void>();
    return this.#empty.promise;
  }
}
