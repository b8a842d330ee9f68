import { SluiceError } from "@sluice/core";
import { readTrailerFields } from "./response-head.ts";

/** Takes the pieces of a chunked body. */
export interface ChunkConsumer {
  /** A part of the body; a view of the buffer that was read. */
  onChunkData(piece: Buffer): void;
}

/** Hexadecimal digits of a chunk's size: more would not be a size but an attack. */
const maxSizeDigits = 12;
/** Bytes of extensions in a chunk's line, which mean nothing to anybody, and of trailers. */
const maxLineBytes = 4096;
const maxTrailerBytes = 16 * 1024;

const carriageReturn = 13;
const lineFeed = 10;
const semicolon = 59;

type State = "size" | "extension" | "size-end" | "data" | "data-return" | "data-end" | "trailer" | "done";

/**
 * Reads the framing of RFC 9112 §7.1 however it is cut into pieces: sizes in hexadecimal, CRLF at every line's end, extensions
 * skipped within a bound. Throws `upstream-invalid` for anything else.
 */
export class ChunkedBody {
  trailers: string[] | undefined;
  #state: State = "size";
  #remaining = 0;
  #digits = 0;
  #lineBytes = 0;
  #trailerText = "";

  get isDone(): boolean {
    return this.#state === "done";
  }

  /** Bytes that are still to come of the present chunk. */
  get remaining(): number {
    return this.#remaining;
  }

  /** Returns where the body ends in `bytes`, or `end` when it goes on. Stops early when `isStopped` says so. */
  read(bytes: Buffer, start: number, end: number, consumer: ChunkConsumer, isStopped: () => boolean): number {
    let at = start;
    while (at < end && this.#state !== "done") {
      if (this.#state === "data") {
        const pieceEnd = Math.min(end, at + this.#remaining);
        this.#remaining -= pieceEnd - at;
        if (this.#remaining === 0) this.#state = "data-return";
        consumer.onChunkData(bytes.subarray(at, pieceEnd));
        at = pieceEnd;
        if (isStopped()) return at;
      } else if (this.#state === "trailer") at = this.#readTrailer(bytes, at, end);
      else this.#step(bytes[at++] ?? 0);
    }
    return at;
  }

  #step(code: number): void {
    if (this.#state === "size") this.#stepSize(code);
    else if (this.#state === "extension") {
      if (code === carriageReturn) this.#state = "size-end";
      else if (code === lineFeed || ++this.#lineBytes > maxLineBytes) throw invalid("chunk extension");
    } else if (this.#state === "size-end") {
      if (code !== lineFeed) throw invalid("chunk size");
      this.#state = this.#remaining === 0 ? "trailer" : "data";
    } else if (this.#state === "data-return") {
      if (code !== carriageReturn) throw invalid("chunk end");
      this.#state = "data-end";
    } else {
      if (code !== lineFeed) throw invalid("chunk end");
      this.#state = "size";
      this.#digits = 0;
      this.#lineBytes = 0;
    }
  }

  #stepSize(code: number): void {
    const digit = toHexDigit(code);
    if (digit !== -1) {
      if (++this.#digits > maxSizeDigits) throw invalid("chunk size");
      this.#remaining = this.#remaining * 16 + digit;
      return;
    }
    if (this.#digits === 0) throw invalid("chunk size");
    if (code === carriageReturn) this.#state = "size-end";
    else if (code === semicolon) this.#state = "extension";
    else throw invalid("chunk size");
  }

  /** Line by line until an empty one. */
  #readTrailer(bytes: Buffer, start: number, end: number): number {
    const before = this.#trailerText.length;
    const text = this.#trailerText + bytes.toString("latin1", start, Math.min(end, start + maxTrailerBytes));
    const isEmpty = text.startsWith("\r\n");
    const blank = isEmpty ? 0 : text.indexOf("\r\n\r\n");
    if (blank === -1) {
      if (text.length >= maxTrailerBytes) throw invalid("trailers are too large");
      this.#trailerText = text;
      return end;
    }
    this.trailers = readTrailerFields(text.slice(0, blank));
    this.#state = "done";
    return start + blank + (isEmpty ? 2 : 4) - before;
  }
}

function toHexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function invalid(detail: string): SluiceError {
  return new SluiceError("upstream-invalid", `malformed ${detail}`);
}
