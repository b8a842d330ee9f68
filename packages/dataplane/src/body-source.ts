import type { Readable } from "node:stream";
import { BodyReplay } from "./body-replay.ts";
import type { BodyKeeper } from "./client-side.ts";
import { RequestBody } from "./request-body.ts";

/** A request's body, to be opened for each attempt to send it. */
export class BodySource {
  readonly #source: Readable;
  readonly #replay: BodyReplay | undefined;
  #body: RequestBody | undefined;
  #stopKeeping: (() => void) | undefined;

  /** `replayBytes`: a body of which no more than that was taken can be opened again; 0 keeps nothing. */
  constructor(source: Readable, replayBytes: number) {
    this.#source = source;
    this.#replay = replayBytes > 0 ? new BodyReplay(replayBytes) : undefined;
  }

  /** Some of it was taken and not kept. */
  get isTouched(): boolean {
    return this.#body?.isTouched === true && this.#replay?.isWhole !== true;
  }

  /**
   * Takes in what comes while nobody has opened the body, as far as it can be sent again; behind that it waits unread, where Node
   * may hold as much as makes `maxBytes` in all.
   */
  keep(maxBytes: number, keeper: BodyKeeper): void {
    const source = this.#source;
    const replay = this.#replay;
    if (replay === undefined || this.#body !== undefined || this.#stopKeeping !== undefined) return;
    let left = maxBytes;
    const onData = (chunk: Buffer): void => {
      const isKept = replay.fits(chunk);
      if (isKept) replay.add(chunk);
      else {
        this.#stopKeeping?.();
        source.unshift(chunk);
      }
      const bytes = isKept ? chunk.length : left;
      left -= bytes;
      keeper.onBodyKept(bytes);
    };
    source.on("data", onData);
    this.#stopKeeping = () => source.off("data", onData).pause();
  }

  open(): Readable {
    this.#stopKeeping?.();
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
