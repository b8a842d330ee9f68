import { maxUint31 } from "./frame.ts";
import type { FrameWriter } from "./frame-writer.ts";

/** A stream with body to send. */
interface Sender {
  /** Stands in the queue; only that writes it. */
  isQueued: boolean;
  /** Sends one frame; false when nothing more of it can go for now. */
  sendNext(): boolean;
}

/**
 * What a connection may send, and the streams whose bodies wait for that: for the connection's window, their own or the socket. They
 * take turns, a frame each.
 */
export class SendQueue {
  /** Bytes that the peer takes on the whole connection (RFC 9113 §6.9). */
  window = 65_535;
  readonly #writer: FrameWriter;
  readonly #waiting: Sender[] = [];

  constructor(writer: FrameWriter) {
    this.#writer = writer;
  }

  get canSend(): boolean {
    return this.window > 0 && !this.#writer.isBlocked;
  }

  /** False when the peer adds up to more than there may be. */
  widen(bytes: number): boolean {
    this.window += bytes;
    return this.window <= maxUint31;
  }

  add(sender: Sender): void {
    this.#enqueue(sender);
    this.run();
  }

  remove(sender: Sender): void {
    if (!sender.isQueued) return;
    sender.isQueued = false;
    this.#waiting.splice(this.#waiting.indexOf(sender), 1);
  }

  run(): void {
    while (this.canSend) {
      const sender = this.#waiting.shift();
      if (sender === undefined) return;
      sender.isQueued = false;
      if (sender.sendNext()) this.#enqueue(sender);
    }
  }

  #enqueue(sender: Sender): void {
    if (sender.isQueued) return;
    sender.isQueued = true;
    this.#waiting.push(sender);
  }
}
