import { systemClock, type CancelTimer, type Clock } from "@sluice/core";
import {
  Agent as HttpAgent,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { Backoff, type BackoffLimits } from "./backoff.ts";
import { readToken, type TokenSource } from "./bearer-token.ts";
import { toClientTls, type ServerTrust } from "./certificate-folder.ts";
import { LineSplitter } from "./line-splitter.ts";
import { LogOnce } from "./log-once.ts";
import { WatchAcknowledger } from "./watch-acknowledger.ts";
import type { WatchReader, WatchReaderOptions } from "./watch-reader.ts";
import { WatchState } from "./watch-state.ts";

export interface WatchClientOptions<T> extends WatchReaderOptions<T> {
  /** Without `watch` and `since`: `http://127.0.0.1:8004/v1/feed`. */
  readonly url: string;
  readonly token?: TokenSource;
  /** With a name, what has been applied is acknowledged under it (`POST {url}/ack`). */
  readonly acknowledgeAs?: string;
  /** How `https:` servers are judged; without it by the system's authorities and the host of the URL. */
  readonly trust?: ServerTrust;
  readonly backoff?: BackoffLimits;
  /** A stream that is silent for so long is broken: the server beats every 3 s. Default 10,000. */
  readonly silenceMs?: number;
  /** Default 1 MiB. */
  readonly maxLineChars?: number;
  readonly clock?: Clock;
  /** 0 to 1, for the spread of retries. */
  readonly random?: () => number;
}

/** A stream that lived for so long was good: the next failure retries at once again. */
const goodStreamMs = 2000;
/** What a server answers to a version that is not its own. */
const notThisServer = 409;
/** Of two servers the wrong one so often in a row is one case in a thousand, and a restarted one is found out soon. */
const maxConnections = 10;

/**
 * Reads a list-watch stream for as long as it is open: follows changes, comes back after failures where it left off,
 * and keeps the last good state meanwhile. Opens at once; errors never leave it, they are logged once each.
 */
export class WatchClient<T> implements WatchReader<T> {
  readonly ready: Promise<void>;
  readonly #options: WatchClientOptions<T>;
  readonly #clock: Clock;
  readonly #url: URL;
  readonly #agent: HttpAgent;
  readonly #backoff: Backoff;
  readonly #state: WatchState<T>;
  readonly #failures: LogOnce;
  readonly #acknowledger: WatchAcknowledger | undefined;
  readonly #firstSnapshot = Promise.withResolvers<void>();
  #request: ClientRequest | undefined;
  #cancelRetry: CancelTimer | undefined;
  #isConnected = false;
  #isClosed = false;
  #mustStartOver = false;
  #connectedAtMs = 0;

  constructor(options: WatchClientOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#url = new URL(options.url);
    this.#agent =
      this.#url.protocol === "https:"
        ? new HttpsAgent({ keepAlive: true })
        : new HttpAgent({ keepAlive: true });
    this.#backoff = new Backoff(options.backoff, options.random);
    this.#state = new WatchState(options.schema, options);
    this.#failures = new LogOnce(options.log);
    this.#acknowledger =
      options.acknowledgeAs === undefined
        ? undefined
        : new WatchAcknowledger(options.acknowledgeAs, this.#clock, (body) => this.#post(body));
    this.ready = this.#firstSnapshot.promise;
    this.#connect();
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get version(): string | undefined {
    return this.#state.version;
  }

  get objects(): ReadonlyMap<string, T> {
    return this.#state.objects;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#acknowledger?.close();
    this.#request?.destroy();
    this.#agent.destroy();
    this.#setConnected(false);
    return Promise.resolve();
  }

  #connect(): void {
    this.#state.restart();
    const url = new URL(this.#url);
    url.searchParams.set("watch", "true");
    // After a line that was refused the same line would come again, so that starts over with a snapshot.
    if (this.#state.version !== undefined && !this.#mustStartOver) {
      url.searchParams.set("since", this.#state.version);
    }
    this.#mustStartOver = false;
    let isOver = false;
    const end = (error: unknown): void => {
      if (isOver) return;
      isOver = true;
      this.#request?.destroy();
      this.#disconnected(error);
    };
    try {
      this.#request = this.#send(url, "GET");
    } catch (error) {
      // The token or the authority could not be read.
      end(error);
      return;
    }
    this.#request.on("error", end);
    this.#request.on("response", (response) => this.#read(response, end));
    this.#request.end();
  }

  #send(url: URL, method: string): ClientRequest {
    const silenceMs = this.#options.silenceMs ?? 10_000;
    const { token, trust } = this.#options;
    const isSecure = url.protocol === "https:";
    const request = (isSecure ? httpsRequest : httpRequest)(url, {
      // Asked anew each time: authorities rotate.
      ...(isSecure && toClientTls(trust)),
      method,
      agent: this.#agent,
      headers: token === undefined ? {} : { authorization: `Bearer ${readToken(token)}` },
      timeout: silenceMs,
    });
    request.on("timeout", () => request.destroy(new Error(`nothing came for ${silenceMs} ms`)));
    return request;
  }

  #read(response: IncomingMessage, end: (error: unknown) => void): void {
    response.on("error", end);
    response.on("close", () => end(new Error("the server ended the stream")));
    if (response.statusCode !== 200) {
      end(new Error(`the server answered ${response.statusCode}`));
      return;
    }
    const splitter = new LineSplitter(this.#options.maxLineChars ?? 1024 * 1024);
    response.on("data", (bytes: Buffer) => {
      if (this.#isClosed) return;
      try {
        splitter.push(bytes, (line) => this.#apply(line));
      } catch (error) {
        this.#mustStartOver = true;
        end(new Error(`the stream is refused: ${describe(error)}`, { cause: error }));
      }
    });
  }

  /** False when a handler closed this reader. */
  #apply(line: string): boolean {
    const before = this.#state.version;
    this.#state.apply(line);
    const isNew = this.#state.isInStep && !this.#isConnected;
    if (isNew) this.#connected();
    // Also when a stream is resumed: the message before may have been lost with the connection.
    if (isNew || this.#state.version !== before) this.#acknowledger?.acknowledge(this.#state.version ?? "");
    return !this.#isClosed;
  }

  #connected(): void {
    this.#connectedAtMs = this.#clock.monotonic();
    this.#failures.solved("the stream is back", { url: this.#options.url });
    this.#setConnected(true);
    this.#firstSnapshot.resolve();
  }

  #disconnected(error: unknown): void {
    if (this.#isClosed) return;
    const wasGood = this.#isConnected && this.#clock.monotonic() - this.#connectedAtMs >= goodStreamMs;
    if (wasGood) this.#backoff.reset();
    this.#setConnected(false);
    this.#failures.warn(
      `cannot follow ${this.#options.url}: ${describe(error)}; keeping the last good state`,
      { error },
    );
    this.#cancelRetry = this.#clock.setTimer(() => this.#connect(), this.#backoff.nextMs());
  }

  #setConnected(isConnected: boolean): void {
    if (this.#isConnected === isConnected) return;
    this.#isConnected = isConnected;
    if (isConnected) this.#options.onConnected?.();
    else this.#options.onDisconnected?.();
  }

  /**
   * Sends one acknowledgement. True when the server took it or refused it for good. Behind one address there may be several
   * servers, and a version means something to the one alone whose stream is read: a new connection may lead to it.
   */
  async #post(body: string): Promise<boolean> {
    for (let attempt = 1; !this.#isClosed; attempt++) {
      const status = await this.#postOnce(body);
      if (status !== notThisServer) return status !== undefined && status < 500;
      if (attempt === maxConnections) return true;
    }
    return false;
  }

  /** The status, or undefined when there is no answer. */
  #postOnce(body: string): Promise<number | undefined> {
    const url = new URL(this.#url);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/ack`;
    return new Promise((resolve) => {
      let request: ClientRequest;
      try {
        request = this.#send(url, "POST");
      } catch {
        // The token or the authority could not be read; the stream's own failure says so.
        resolve(undefined);
        return;
      }
      request.on("error", () => resolve(undefined));
      request.on("response", (response) => {
        response.on("error", () => resolve(undefined));
        response.on("close", () => resolve(response.statusCode));
        // A connection that led to another server must not be kept.
        if (response.statusCode === notThisServer) request.destroy();
        else response.resume();
      });
      request.setHeader("content-type", "application/json");
      request.end(body);
    });
  }
}

/** Never empty: an error that gathers several addresses' errors has a code only. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === "" && "code" in error ? String(error.code) : error.message;
}
