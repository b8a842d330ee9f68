import { Readable } from "node:stream";
import { SluiceError } from "@sluice/core";
import type { BodyReplay } from "./body-replay.ts";

/**
 * A request's body on its way to the app. undici destroys the body that it is given when anything goes wrong; given the
 * client's stream itself, it would take the client's connection down before an answer could be sent. So this stands in
 * between (undici insists on a Readable, hence the inheritance), and takes nothing before the first byte is asked for.
 */
export class RequestBody extends Readable {
  readonly #source: Readable;
  readonly #replay: BodyReplay | undefined;
  #isAttached = false;

  /** With `replay` the body begins with what an earlier one took, and what this one takes is kept in turn. */
  constructor(source: Readable, replay?: BodyReplay) {
    super({ highWaterMark: 64 * 1024 });
    this.#source = source;
    this.#replay = replay;
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
    for (const chunk of this.#replay?.chunks ?? []) this.push(chunk);
    if (this.#source.readableEnded) {
      this.push(null);
      return;
    }
    this.#source
      .on("data", this.#onData)
      .on("end", this.#onEnd)
      .on("error", this.#onBroken)
      .on("close", this.#onBroken);
    this.#source.resume();
  }

  /**
   * What the app does not want is read and dropped, so that the client can finish and read its answer. A body that was
   * never begun, or that can be sent again, stays as it is: it may go elsewhere.
   */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#isAttached) {
      this.#source.off("data", this.#onData).off("end", this.#onEnd).off("close", this.#onBroken);
      if (this.#replay?.isWhole === true) this.#source.pause();
      else this.#source.resume();
    }
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#replay?.add(chunk);
    if (!this.push(chunk)) this.#source.pause();
  };

  readonly #onEnd = (): void => {
    this.push(null);
  };

  readonly #onBroken = (): void => {
    if (!isComplete(this.#source)) this.destroy(new SluiceError("client-gone"));
  };
}

/** A message that was received whole may be closed before all of it was read here. */
function isComplete(source: Readable): boolean {
  return source.readableEnded || ("complete" in source && source.complete === true);
}
