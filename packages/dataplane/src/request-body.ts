import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { SluiceError } from "@sluice/core";

/**
 * A request's body on its way to the app. undici destroys the body that it is given when anything goes wrong; given the
 * `IncomingMessage` itself, it would take the client's connection down before an answer could be sent. So this stands in
 * between (undici insists on a Readable, hence the inheritance), and takes nothing before the first byte is asked for.
 */
export class RequestBody extends Readable {
  readonly #source: IncomingMessage;
  #isAttached = false;

  constructor(source: IncomingMessage) {
    super({ highWaterMark: 64 * 1024 });
    this.#source = source;
  }

  get isTouched(): boolean {
    return this.#isAttached;
  }

  override _read(): void {
    if (this.#isAttached) {
      this.#source.resume();
      return;
    }
    this.#isAttached = true;
    this.#source
      .on("data", this.#onData)
      .on("end", this.#onEnd)
      .on("error", this.#onBroken)
      .on("close", this.#onBroken);
  }

  /**
   * What the app does not want is read and dropped, so that the client can finish and read its answer. A body that was
   * never begun stays as it is: it may go elsewhere.
   */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#isAttached) {
      callback(error);
      return;
    }
    this.#source.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onBroken).resume();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.#source.pause();
  };

  readonly #onEnd = (): void => {
    this.push(null);
  };

  readonly #onBroken = (): void => {
    if (!this.#source.complete) this.destroy(new SluiceError("client-gone"));
  };
}
