import type { Exchange } from "./exchange.ts";

/** Which requests are inside, and whether more are welcome. */
export class Drain {
  readonly #exchanges = new Set<Exchange>();
  #empty: PromiseWithResolvers<void> | undefined;
  #isDraining = false;

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Requests inside. */
  get size(): number {
    return this.#exchanges.size;
  }

  enter(exchange: Exchange): void {
    this.#exchanges.add(exchange);
  }

  leave(exchange: Exchange): void {
    this.#exchanges.delete(exchange);
    if (this.#exchanges.size === 0) this.#empty?.resolve();
  }

  /** From here on this activator says that it wants no traffic; what comes is still served. */
  begin(): void {
    this.#isDraining = true;
  }

  /** WebSockets are told to go; requests end in their own time. */
  waitForEmpty(): Promise<void> {
    for (const exchange of this.#exchanges) exchange.goAway();
    if (this.#exchanges.size === 0) return Promise.resolve();
    this.#empty ??= Promise.withResolvers<void>();
    return this.#empty.promise;
  }
}
