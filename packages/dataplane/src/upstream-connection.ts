import { connect, type Socket } from "node:net";
import { SluiceError } from "@sluice/core";
import type { ResponseHead } from "./response-head.ts";
import { ResponseParser, type ResponseConsumer } from "./response-parser.ts";
import type { Target } from "./target.ts";

/** Whoever has a request on the connection. */
export interface ConnectionUser {
  onInformation(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
  /** Bytes are lent. Returns whether they are still needed: then nothing is read before `resume`. */
  onData(piece: Buffer, isLast: boolean): boolean;
  onComplete(trailers: string[] | undefined): void;
  /** The app takes more of the request's body again. */
  onDrain(): void;
  /** The connection ended before the response did. `hasBegun`: some of the response had come. */
  onLost(error: Error, hasBegun: boolean): void;
}

/** Who keeps the connections. */
export interface ConnectionOwner {
  onConnected(connection: UpstreamConnection): void;
  /** The response has ended, and another request may be sent. */
  onReusable(connection: UpstreamConnection): void;
  /** It is gone, or never came to be. */
  onClosed(connection: UpstreamConnection, error: Error): void;
}

/** Reads begin with this much and take more at a time once they fill it: 64 KiB of a body and its head come in one. */
const minBufferBytes = 16 * 1024;
const maxBufferBytes = 72 * 1024;

/**
 * One connection to an app, with at most one request on it. It reads into one buffer, again and again, and not before what is in it
 * has left for the client: so an answer of any size takes no more memory than that, and none of it is copied here.
 */
export class UpstreamConnection implements ResponseConsumer {
  /** It has carried a request before or was kept unused, so the app may be closing it just as the next one is sent. */
  mayBeStale = false;
  /** When an idle connection is given up, by the pool's clock. */
  idleUntilMs = 0;
  /** What the app said about how long it keeps idle connections, in seconds; -1 when nothing. */
  keepAliveSeconds = -1;
  isConnected = false;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #parser: ResponseParser;
  #user: ConnectionUser | undefined;
  #isRequestSent = true;
  #isClosed = false;
  #error: Error | undefined;
  #buffer: Buffer = Buffer.allocUnsafeSlow(minBufferBytes);
  #isLent = false;

  constructor(target: Target, connectTimeoutMs: number, maxHeadBytes: number, owner: ConnectionOwner) {
    this.#owner = owner;
    this.#parser = new ResponseParser(this, maxHeadBytes);
    this.#socket = connect({
      host: target.address,
      port: target.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
      autoSelectFamily: false,
      onread: { buffer: this.#nextBuffer, callback: this.#onRead },
    });
    this.#socket
      .once("connect", () => this.#onConnect())
      .once("timeout", () => this.destroy(new SluiceError("upstream-connect", "connecting took too long")))
      .on("drain", () => this.#user?.onDrain())
      .once("end", () => this.#onEnd())
      .on("error", (error) => (this.#error ??= error))
      .once("close", () => this.#onClose());
    if (connectTimeoutMs > 0) this.#socket.setTimeout(connectTimeoutMs);
  }

  /** Neither gone nor about to go. */
  get isUsable(): boolean {
    return this.isConnected && !this.#isClosed && this.#socket.writable;
  }

  /** Sends a request's head. `isBodiless`: its answer has no body whatever it says. With `hasBody`, `write` and `end` follow. */
  send(user: ConnectionUser, head: string, isBodiless: boolean, hasBody: boolean): void {
    this.#user = user;
    this.#isRequestSent = !hasBody;
    this.#parser.begin(isBodiless);
    // Head and first piece of the body leave together when both are there within a turn of the event loop.
    if (hasBody) {
      this.#socket.cork();
      setImmediate(() => this.#socket.uncork());
    }
    this.#socket.write(head, "latin1");
  }

  /** What was sent so far leaves now. */
  flush(): void {
    this.#socket.uncork();
  }

  /** False asks to wait for `onDrain`. */
  write(chunk: Uint8Array | string): boolean {
    return this.#socket.write(chunk, "latin1");
  }

  /** A piece of a chunked body with its framing (RFC 9112 §7.1), in one write. */
  writeChunk(chunk: Uint8Array): boolean {
    this.#socket.cork();
    this.#socket.write(`${chunk.length.toString(16)}\r\n`, "latin1");
    this.#socket.write(chunk);
    const mayGoOn = this.#socket.write("\r\n", "latin1");
    this.#socket.uncork();
    return mayGoOn;
  }

  /** The request is whole. */
  endRequest(): void {
    this.#isRequestSent = true;
  }

  /** What was lent is no longer needed. */
  resume(): void {
    if (!this.#isLent) return;
    this.#isLent = false;
    this.#socket.resume();
  }

  /** Ends it at once. The user hears nothing more. */
  destroy(error?: Error): void {
    if (error !== undefined) this.#error ??= error;
    this.#parser.stop();
    this.#user = undefined;
    this.#socket.destroy();
  }

  onInformation(head: ResponseHead): void {
    this.#user?.onInformation(head);
  }

  onHead(head: ResponseHead): void {
    if (head.keepAliveSeconds !== -1) this.keepAliveSeconds = head.keepAliveSeconds;
    this.#user?.onHead(head);
  }

  onData(piece: Buffer, isLast: boolean): void {
    if (this.#user?.onData(piece, isLast) !== true || this.#isLent) return;
    this.#isLent = true;
    this.#socket.pause();
  }

  /** The connection is free before its user hears it, so that whoever takes his place can have it. */
  onComplete(trailers: string[] | undefined, mayReuse: boolean): void {
    const user = this.#user;
    this.#user = undefined;
    this.mayBeStale = true;
    // The end of the answer still waits for its client: he gets the buffer, and the next answer another.
    if (this.#isLent) this.#buffer = Buffer.allocUnsafeSlow(this.#buffer.length);
    this.resume();
    if (mayReuse && this.#isAllSent && this.isUsable) this.#owner.onReusable(this);
    else this.#socket.destroy();
    user?.onComplete(trailers);
  }

  /** An app that answered before it had read all of a request may never read the rest, nor what comes behind it. */
  get #isAllSent(): boolean {
    return this.#isRequestSent && this.#socket.writableLength === 0;
  }

  #onConnect(): void {
    this.isConnected = true;
    this.#socket.setTimeout(0);
    this.#owner.onConnected(this);
  }

  /** Node asks after each read where the next one goes. */
  readonly #nextBuffer = (): Buffer => this.#buffer;

  readonly #onRead = (length: number): boolean => {
    const buffer = this.#buffer;
    try {
      this.#parser.execute(buffer, length);
    } catch (error) {
      this.#lose(error instanceof Error ? error : new TypeError(String(error)));
      this.#socket.destroy();
    }
    if (length === buffer.length && length < maxBufferBytes && !this.#isLent && buffer === this.#buffer) {
      this.#buffer = Buffer.allocUnsafeSlow(maxBufferBytes);
    }
    return !this.#isLent;
  };

  #onEnd(): void {
    if (this.#parser.finish()) return;
    this.#lose(this.#error ?? new SluiceError("upstream-reset", "the app closed the connection"));
  }

  #onClose(): void {
    this.#isClosed = true;
    const error = this.#error ?? new SluiceError("upstream-reset", "the connection closed");
    this.#lose(error);
    this.#owner.onClosed(this, error);
  }

  #lose(error: Error): void {
    const user = this.#user;
    const { hasBegun } = this.#parser;
    this.#user = undefined;
    this.#parser.stop();
    user?.onLost(error, hasBegun);
  }
}
