import type { Duplex } from "node:stream";

/** More than this is said before the other side has agreed by nobody who means well. */
const maxBytes = 64 * 1024;

/**
 * What a client of an upgrade says before the app has agreed. Node gives such a socket away unread, and a socket that nobody
 * reads does not tell that its peer has left: reading it is how a request that waits learns that it waits for nobody.
 */
export class EarlyBytes {
  readonly #socket: Duplex;
  readonly #chunks: Buffer[];
  #bytes: number;

  /** `head`: what came right behind the request. */
  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#chunks = [head];
    this.#bytes = head.length;
    socket.on("data", this.#onData).on("end", this.#onEnd);
  }

  /** Everything that came; what comes from now on is left to others. */
  take(): Buffer {
    this.#socket.off("data", this.#onData).off("end", this.#onEnd);
    return Buffer.concat(this.#chunks);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > maxBytes) this.#socket.pause();
  };

  /** Half of a connection is no use for what both sides are to talk over. */
  readonly #onEnd = (): void => {
    this.#socket.destroy();
  };
}
