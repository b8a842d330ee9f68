import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** Nobody who means well sends more requests than this ahead of their answers. */
const maxWaiting = 100;

/** Keeps a client that pipelines requests without end from filling memory with them: its connection is read on when they are fewer. */
export class PipelineBrake {
  readonly #waiting = new WeakMap<Duplex, number>();

  /** `onTurn` is called when the answers before this one are out. */
  wait(socket: Duplex, response: ServerResponse, onTurn: () => void): void {
    const before = this.#waiting.get(socket) ?? 0;
    this.#waiting.set(socket, before + 1);
    // Behind the read at hand: at the end of each message Node itself reads on.
    if (before > 0 && before % maxWaiting === 0) process.nextTick(() => socket.pause());
    response.once("socket", () => {
      const left = (this.#waiting.get(socket) ?? 1) - 1;
      this.#waiting.set(socket, left);
      if (left === maxWaiting / 2) socket.resume();
      onTurn();
    });
  }
}
