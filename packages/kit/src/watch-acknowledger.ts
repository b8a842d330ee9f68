import type { CancelTimer, Clock } from "@sluice/core";
import { Backoff } from "./backoff.ts";

/**
 * Tells the server what has been applied: one message at a time, always the newest version, so that a burst of
 * changes costs two messages and a slow server no queue. What did not arrive is sent again until it did.
 */
export class WatchAcknowledger {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #send: (body: string) => Promise<boolean>;
  readonly #backoff = new Backoff();
  #newest = "";
  #isSending = false;
  #cancelRetry: CancelTimer | undefined;
  #isClosed = false;

  /** `send` posts the body and tells whether it arrived; it never rejects. */
  constructor(name: string, clock: Clock, send: (body: string) => Promise<boolean>) {
    this.#name = name;
    this.#clock = clock;
    this.#send = send;
  }

  acknowledge(version: string): void {
    this.#newest = version;
    if (!this.#isSending) void this.#sendNewest();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
  }

  async #sendNewest(): Promise<void> {
    this.#cancelRetry?.();
    this.#isSending = true;
    let hasArrived = true;
    for (let sent = ""; hasArrived && sent !== this.#newest && !this.#isClosed;) {
      sent = this.#newest;
      hasArrived = await this.#send(JSON.stringify({ name: this.#name, version: sent }));
    }
    this.#isSending = false;
    if (hasArrived) this.#backoff.reset();
    else if (!this.#isClosed) {
      this.#cancelRetry = this.#clock.setTimer(() => void this.#sendNewest(), this.#backoff.nextMs());
    }
  }
}
