import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "@sluice/core";
import { DeadlineQueue, type DeadlineOwner } from "./deadline-queue.ts";

/** Long enough for a client that reads only once it has sent, on a slow line (nginx waits as long in all). */
const lingerMs = 30_000;

/**
 * An answer may be complete before its request is. The rest of the body is read and dropped, because closing at once could take
 * the answer away from a client that is still sending; one that goes on for ever loses its connection.
 */
export class BodyLinger {
  readonly #waits: DeadlineQueue<"linger">;

  constructor(clock: Clock) {
    this.#waits = new DeadlineQueue("linger", lingerMs, clock);
  }

  /** To be called for each request that brings a body. */
  watch(request: IncomingMessage, response: ServerResponse): void {
    response.once("finish", () => {
      if (!request.complete) this.#waits.start(new Rest(request));
    });
  }

  /** For a connection that Node has given away: our side of it ends, and a client that does not end its own must not keep it. */
  watchEnd(socket: Duplex): void {
    socket.once("finish", () => {
      if (!socket.destroyed) this.#waits.start({ onDeadline: () => void socket.destroy() });
    });
  }
}

class Rest implements DeadlineOwner<"linger"> {
  readonly #request: IncomingMessage;

  constructor(request: IncomingMessage) {
    this.#request = request;
  }

  onDeadline(): void {
    if (!this.#request.complete) this.#request.socket.destroy();
  }
}
