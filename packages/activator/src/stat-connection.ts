import type { CancelTimer, Clock } from "@sluice/core";
import {
  Backoff,
  LogOnce,
  readToken,
  toClientTls,
  type Logger,
  type ServerTrust,
  type TokenSource,
} from "@sluice/kit";
import { WebSocket } from "ws";

export interface StatConnectionOptions {
  readonly url: string;
  /** Named in the handshake, so that the aggregator can tell its activators apart. */
  readonly activator: string;
  readonly token?: TokenSource | undefined;
  /** For `wss:` URLs. */
  readonly trust?: ServerTrust | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  /** Called each time the connection opens. */
  readonly onOpen: () => void;
}

const handshakeTimeoutMs = 3000;
const pingIntervalMs = 3333;
/** Without a word for so long the connection is dead, whatever TCP says. */
const silenceMs = 10_000;
/** More than this unsent means that the aggregator does not read; the connection starts over. */
const maxBufferedBytes = 4 * 1024 * 1024;

/**
 * The WebSocket to one aggregator (reference §2.7): comes back with jittered back-off, notices a dead peer within ten
 * seconds, and never makes a caller wait. Source of the numbers: Knative's client, except for the faster way back.
 */
export class StatConnection {
  readonly #options: StatConnectionOptions;
  readonly #backoff: Backoff;
  readonly #failures: LogOnce;
  #socket: WebSocket | undefined;
  #cancelRetry: CancelTimer | undefined;
  #cancelPing: CancelTimer | undefined;
  #heardAtMs = 0;
  #isClosed = false;

  constructor(options: StatConnectionOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ firstMs: 50, capMs: 2000 }, options.random);
    this.#failures = new LogOnce(options.log);
    this.#connect();
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** False when nothing was written. */
  send(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return false;
    if (socket.bufferedAmount > maxBufferedBytes) {
      socket.terminate();
      return false;
    }
    socket.send(bytes);
    return true;
  }

  /** Tells the aggregator that this is the end. */
  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#cancelPing?.();
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket?.readyState === WebSocket.OPEN) socket.close(1001, "shutting down");
    else socket?.terminate();
  }

  #connect(): void {
    const { token, trust, activator, url } = this.#options;
    const headers: Record<string, string> = { "sluice-activator": activator };
    if (token !== undefined) headers["authorization"] = `Bearer ${readToken(token)}`;
    const socket = new WebSocket(url, {
      ...(url.startsWith("wss:") && toClientTls(trust)),
      headers,
      handshakeTimeout: handshakeTimeoutMs,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    let failure = "the aggregator ended the connection";
    const heard = (): void => {
      this.#heardAtMs = this.#options.clock.monotonic();
    };
    socket.on("open", () => {
      heard();
      this.#opened();
    });
    socket.on("pong", heard);
    socket.on("ping", heard);
    socket.on("message", heard);
    socket.on("error", (error) => (failure = error.message));
    socket.on("close", () => this.#closed(failure));
  }

  #opened(): void {
    this.#backoff.reset();
    this.#failures.solved("the connection for stats is open", { url: this.#options.url });
    this.#pingSoon();
    this.#options.onOpen();
  }

  #closed(failure: string): void {
    this.#cancelPing?.();
    if (this.#isClosed) return;
    this.#failures.warn(`cannot send stats to ${this.#options.url}; counting on`, { reason: failure });
    this.#cancelRetry = this.#options.clock.setTimer(() => this.#connect(), this.#backoff.nextMs());
  }

  #pingSoon(): void {
    this.#cancelPing = this.#options.clock.setTimer(() => {
      if (this.#options.clock.monotonic() - this.#heardAtMs > silenceMs) {
        this.#socket?.terminate();
        return;
      }
      this.#socket?.ping();
      this.#pingSoon();
    }, pingIntervalMs);
  }
}
