import { ConnectionFault, errorCode } from "./error-code.ts";
import { maxUint31 } from "./frame.ts";
import type { Http2Stream } from "./stream.ts";

/** Streams that we reset lately: what the peer sent on them before it heard that means nothing. */
const maxRecentResets = 1024;

/** A connection's streams: those that are open, and what is known of the others by their numbers alone (RFC 9113 §5.1). */
export class StreamTable {
  /** The highest of the peer's numbers, and of ours. */
  lastPeer = 0;
  #lastOwn: number;
  readonly #isServer: boolean;
  readonly #open = new Map<number, Http2Stream>();
  readonly #recentResets = new Set<number>();

  constructor(isServer: boolean) {
    this.#isServer = isServer;
    this.#lastOwn = isServer ? 0 : -1;
  }

  get size(): number {
    return this.#open.size;
  }

  get hasOpenedOwn(): boolean {
    return this.#lastOwn > 0;
  }

  /** Numbers are used once; a connection that has used them up takes no more. */
  get hasOwnLeft(): boolean {
    return this.#lastOwn < maxUint31 - 2;
  }

  nextOwn(): number {
    this.#lastOwn += 2;
    return this.#lastOwn;
  }

  get(id: number): Http2Stream | undefined {
    return this.#open.get(id);
  }

  add(stream: Http2Stream): void {
    this.#open.set(stream.id, stream);
  }

  delete(stream: Http2Stream): void {
    this.#open.delete(stream.id);
  }

  values(): Iterable<Http2Stream> {
    return this.#open.values();
  }

  /** We have reset it. */
  noteReset(id: number): void {
    this.#recentResets.add(id);
    if (this.#recentResets.size <= maxRecentResets) return;
    for (const oldest of this.#recentResets) {
      this.#recentResets.delete(oldest);
      return;
    }
  }

  /** Throws for a stream that there has not been yet. */
  expectKnown(id: number): void {
    const isOwn = (id % 2 === 0) === this.#isServer;
    if (id > (isOwn ? this.#lastOwn : this.lastPeer))
      throw new ConnectionFault(errorCode.protocol, "a stream that is none yet");
  }

  /** A frame for a stream that has ended is no harm only when its sender could not know. */
  expectRecent(id: number): void {
    this.expectKnown(id);
    if (this.#open.has(id) || !this.#recentResets.has(id))
      throw new ConnectionFault(errorCode.streamClosed, "a frame behind the end of its stream");
  }
}
