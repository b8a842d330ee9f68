/**
 * Tells the server what has been applied: one message at a time, always the newest version, so that a burst of
 * changes costs two messages and a slow server no queue.
 */
export class WatchAcknowledger {
  readonly #name: string;
  readonly #send: (body: string) => Promise<void>;
  #newest = "";
  #isSending = false;
  #isClosed = false;

  /** `send` posts the body and never rejects. */
  constructor(name: string, send: (body: string) => Promise<void>) {
    this.#name = name;
    this.#send = send;
  }

  acknowledge(version: string): void {
    this.#newest = version;
    if (!this.#isSending) void this.#sendNewest();
  }

  close(): void {
    this.#isClosed = true;
  }

  async #sendNewest(): Promise<void> {
    this.#isSending = true;
    for (let sent = ""; sent !== this.#newest && !this.#isClosed;) {
      sent = this.#newest;
      await this.#send(JSON.stringify({ name: this.#name, version: sent }));
    }
    this.#isSending = false;
  }
}
