import type { ServerResponse } from "node:http";
import type { WatchHistory } from "./watch-history.ts";
import type { WatchSnapshot } from "./watch-snapshot.ts";

/**
 * One reader of a list-watch stream: a place in the snapshot, then a place in the shared history. While its socket
 * takes no more it only remembers the place; when history no longer reaches that, its stream is ended.
 */
export class Watcher {
  readonly response: ServerResponse;
  readonly #history: WatchHistory;
  #snapshot: WatchSnapshot | undefined;
  #chunk = 0;
  /** The number of the last line that was written. */
  #position: number;
  /** Monotonic milliseconds since when the socket takes no more; undefined while it does. */
  #blockedSinceMs: number | undefined;

  /** Starts with `start` when that is a snapshot, else goes on after the line of that number. */
  constructor(response: ServerResponse, history: WatchHistory, start: WatchSnapshot | number) {
    this.response = response;
    this.#history = history;
    this.#snapshot = typeof start === "number" ? undefined : start;
    this.#position = typeof start === "number" ? start : start.number;
  }

  isStalled(nowMs: number, limitMs: number): boolean {
    return this.#blockedSinceMs !== undefined && nowMs - this.#blockedSinceMs >= limitMs;
  }

  /** Writes everything that is due, as long as the socket takes it. Called for each new line and on `drain`. */
  advance(nowMs: number): void {
    if (!this.#history.reaches(this.#position)) this.end();
    while (this.#blockedSinceMs === undefined) {
      const bytes = this.#next();
      if (bytes === undefined) return;
      this.#write(bytes, nowMs);
    }
  }

  /** Writes a line outside the numbering; left away while the socket takes no more. */
  writeHeartbeat(line: Buffer, nowMs: number): void {
    if (this.#blockedSinceMs === undefined) this.#write(line, nowMs);
  }

  /** The socket takes bytes again. */
  resume(nowMs: number): void {
    this.#blockedSinceMs = undefined;
    this.advance(nowMs);
  }

  /** Ends the stream in the middle; the reader starts over. */
  end(): void {
    this.response.destroy();
  }

  #next(): Buffer | undefined {
    const chunk = this.#snapshot?.chunk(this.#chunk);
    if (chunk !== undefined) {
      this.#chunk++;
      return chunk;
    }
    this.#snapshot = undefined;
    if (this.#position >= this.#history.last) return undefined;
    return this.#history.at(++this.#position);
  }

  #write(bytes: Buffer, nowMs: number): void {
    if (!this.response.write(bytes)) this.#blockedSinceMs = nowMs;
  }
}
