import type { Readable } from "node:stream";
import { BodyReplay } from "./body-replay.ts";
import { RequestBody } from "./request-body.ts";

/** A request's body, to be opened for each attempt to send it. */
export class BodySource {
  readonly #source: Readable;
  readonly #replay: BodyReplay | undefined;
  #body: RequestBody | undefined;

  /** `replayBytes`: a body of which no more than that was taken can be opened again; 0 keeps nothing. */
  constructor(source: Readable, replayBytes: number) {
    this.#source = source;
    this.#replay = replayBytes > 0 ? new BodyReplay(replayBytes) : undefined;
  }

  /** Some of it was taken and not kept. */
  get isTouched(): boolean {
    return this.#body?.isTouched === true && this.#replay?.isWhole !== true;
  }

  open(): Readable {
    // An earlier attempt lets go first, so that no byte goes to both.
    this.#body?.destroy();
    this.#body = new RequestBody(this.#source, this.#replay);
    return this.#body;
  }

  /** The answer is complete: what waited to be sent again, and what is still to come, is not wanted any more. */
  drop(): void {
    this.#replay?.drop();
    if (this.#body?.destroyed === true) this.#source.resume();
  }
}
