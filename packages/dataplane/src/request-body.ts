import type { Readable } from "node:stream";
import { BodyReplay } from "./body-replay.ts";
import type { BodyKeeper, BodySink } from "./client-side.ts";

/**
 * A request's body as Node reads it from the client. It goes to one sink at a time, at the sink's pace; nothing is taken before there
 * is one, but for what `keep` takes in. Given away, Node's stream would take the client's connection down with whatever fails.
 */
export class RequestBody {
  readonly #source: Readable;
  readonly #replay: BodyReplay | undefined;
  #sink: BodySink | undefined;
  #keeper: BodyKeeper | undefined;
  #mayKeepBytes = 0;
  #isHeard = false;
  #isTaken = false;

  /** `replayBytes`: a body of which no more than that was taken can be sent again; 0 keeps nothing. */
  constructor(source: Readable, replayBytes: number) {
    this.#source = source;
    this.#replay = replayBytes > 0 ? new BodyReplay(replayBytes) : undefined;
  }

  /** Some of it was taken and not kept. */
  get isTouched(): boolean {
    return this.#isTaken && this.#replay?.isWhole !== true;
  }

  /**
   * Takes in what comes while nobody takes the body, as far as it can be sent again; behind that it waits unread, where Node may
   * hold as much as makes `maxBytes` in all.
   */
  keep(maxBytes: number, keeper: BodyKeeper): void {
    if (this.#replay === undefined || this.#isTaken || this.#keeper !== undefined) return;
    this.#keeper = keeper;
    this.#mayKeepBytes = maxBytes;
    this.#hear();
  }

  /** The sink gets all of the body from its first byte; an earlier one gets nothing more. */
  sendTo(sink: BodySink): void {
    this.#keeper = undefined;
    this.#sink = sink;
    this.#isTaken = true;
    let mayGoOn = true;
    for (const chunk of this.#replay?.pieces ?? []) mayGoOn = sink.onBody(chunk);
    if (this.#source.readableEnded) sink.onBodyEnd();
    else this.#hear();
    if (!mayGoOn) this.#source.pause();
  }

  /** The sink has room again. */
  resume(): void {
    if (this.#sink !== undefined) this.#source.resume();
  }

  /**
   * The sink takes no more. The rest is read and dropped, so that the client can finish and read its answer; a body that can be
   * sent again stays as it is: it may go elsewhere.
   */
  release(sink: BodySink): void {
    if (this.#sink !== sink) return;
    this.#sink = undefined;
    if (this.#replay?.isWhole === true) this.#source.pause();
    else this.#source.resume();
  }

  /** The answer is complete: what waited to be sent again, and what is still to come, is not wanted any more. */
  drop(): void {
    this.#replay?.drop();
    if (this.#isTaken && this.#sink === undefined) this.#source.resume();
  }

  #hear(): void {
    if (!this.#isHeard) {
      this.#isHeard = true;
      this.#source.on("data", this.#onData).on("end", this.#onEnd);
    }
    this.#source.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#sink !== undefined) {
      this.#replay?.add(chunk);
      if (!this.#sink.onBody(chunk)) this.#source.pause();
    } else if (this.#keeper !== undefined) this.#keepChunk(chunk, this.#keeper);
  };

  readonly #onEnd = (): void => {
    this.#sink?.onBodyEnd();
  };

  #keepChunk(chunk: Buffer, keeper: BodyKeeper): void {
    const isKept = this.#replay?.fits(chunk) === true;
    if (isKept) this.#replay.add(chunk);
    else {
      this.#keeper = undefined;
      this.#source.pause();
      this.#source.unshift(chunk);
    }
    const bytes = isKept ? chunk.length : this.#mayKeepBytes;
    this.#mayKeepBytes -= bytes;
    keeper.onBodyKept(bytes);
  }
}
