import type { Logger } from "./log.ts";

/**
 * Reports a failure that repeats: the first time, and again only when its message changes.
 * When it is over, one line says so and how often it had happened.
 */
export class LogOnce {
  readonly #log: Logger;
  #message: string | undefined;
  #count = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  warn(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#count++;
    if (message === this.#message) return;
    this.#message = message;
    this.#log.warn(fields, message);
  }

  /** The failure is over; says nothing when there was none. */
  solved(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (this.#message === undefined) return;
    this.#log.info({ ...fields, failures: this.#count }, message);
    this.#message = undefined;
    this.#count = 0;
  }
}
