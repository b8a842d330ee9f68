import { ConnectionFault, errorCode } from "./error-code.ts";
import { maxUint31 } from "./frame.ts";

/** Streams that we reset lately: what the peer sent on them before it heard that means nothing. */
const maxRecentResets = 1024;

const firstSlots = 16;

/**
 * A connection's streams: those that are open, and what is known of the others by their numbers alone (RFC 9113 §5.1). The open ones stand
 * in an array, each at the place of its number or the next free one: what a `Map` has let go of, V8 keeps until a full collection.
 */
export class StreamTable<Stream extends { readonly id: number }> {
  /** The highest of the peer's numbers, and of ours. */
  lastPeer = 0;
  #lastOwn: number;
  readonly #isServer: boolean;
  #slots: (Stream | undefined)[] = createSlots(firstSlots);
  #size = 0;
  readonly #recentResets = new Set<number>();

  constructor(isServer: boolean) {
    this.#isServer = isServer;
    this.#lastOwn = isServer ? 0 : -1;
  }

  get size(): number {
    return this.#size;
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

  get(id: number): Stream | undefined {
    return this.#slots[this.#find(id)];
  }

  add(stream: Stream): void {
    if (2 * this.#size >= this.#slots.length) this.#grow();
    this.#slots[this.#find(stream.id)] = stream;
    this.#size++;
  }

  delete(stream: Stream): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = this.#find(stream.id);
    if (slots[hole] === undefined) return;
    this.#size--;
    // Those behind that stand there only because this place was taken move up, so that they are found.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const next = slots[at];
      if (next === undefined) break;
      const isMisplaced = ((at - (next.id >>> 1)) & mask) >= ((at - hole) & mask);
      if (!isMisplaced) continue;
      slots[hole] = next;
      hole = at;
    }
    slots[hole] = undefined;
  }

  /** Those that are open now; some may be deleted meanwhile. */
  values(): Stream[] {
    return this.#slots.filter((stream) => stream !== undefined);
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
    if (this.get(id) !== undefined || !this.#recentResets.has(id))
      throw new ConnectionFault(errorCode.streamClosed, "a frame behind the end of its stream");
  }

  /** Where the stream stands, or would. */
  #find(id: number): number {
    const mask = this.#slots.length - 1;
    let at = (id >>> 1) & mask;
    for (let stream = this.#slots[at]; stream !== undefined && stream.id !== id; stream = this.#slots[at]) {
      at = (at + 1) & mask;
    }
    return at;
  }

  #grow(): void {
    const before = this.values();
    this.#slots = createSlots(2 * this.#slots.length);
    for (const stream of before) this.#slots[this.#find(stream.id)] = stream;
  }
}

function createSlots(count: number): undefined[] {
  return Array.from({ length: count }, () => undefined);
}
