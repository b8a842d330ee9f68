import type { ClientHttp2Session } from "node:http2";
import type { Target } from "./upstream-connection.ts";
import { toAuthority } from "./upstream-pools.ts";

export interface Http2SessionOptions {
  readonly connectTimeoutMs: number;
  /** Streams on one connection before another is opened; the app's own limit counts when it is lower. */
  readonly maxStreams: number;
}

/** A connection and the streams that were put on it. */
export interface SharedSession {
  readonly session: ClientHttp2Session;
  /** The app took the connection. Before that nothing can have reached it. */
  isConnected: boolean;
  /** The last stream that a GOAWAY names: later ones were not acted on and will not be (RFC 9113 §6.8). */
  lastStream: number;
  streams: number;
}

/** HTTP/2 connections by prior knowledge, per target; a new one is opened when the others are full. */
export class Http2Sessions {
  readonly #options: Http2SessionOptions;
  readonly #sessions = new Map<string, SharedSession[]>();

  constructor(options: Http2SessionOptions) {
    this.#options = options;
  }

  /** A session with room for one more stream, which is taken; give it back with `release`. */
  acquire(target: Target): SharedSession {
    const authority = toAuthority(target);
    const known = this.#sessions.get(authority) ?? [];
    const shared = known.find((each) => this.#hasRoom(each)) ?? this.#open(authority);
    shared.streams++;
    return shared;
  }

  release(shared: SharedSession): void {
    shared.streams--;
  }

  /** The target is gone: its connections end with the streams that are on them. */
  drop(target: Target): void {
    for (const { session } of this.#sessions.get(toAuthority(target)) ?? []) session.close();
    this.#sessions.delete(toAuthority(target));
  }

  close(): void {
    for (const known of this.#sessions.values()) for (const { session } of known) session.destroy();
    this.#sessions.clear();
  }

  #hasRoom({ session, streams, isConnected }: SharedSession): boolean {
    if (session.closed || session.destroyed) return false;
    const theirs = isConnected ? session.remoteSettings.maxConcurrentStreams : undefined;
    return streams < Math.min(this.#options.maxStreams, theirs ?? this.#options.maxStreams);
  }

  #open(authority: string): SharedSession {
    // Loaded late, as in http2-server.ts.
    const session = process
      .getBuiltinModule("node:http2")
      .connect(`http://${authority}`, { settings: { enablePush: false } });
    const shared: SharedSession = { session, isConnected: false, lastStream: Infinity, streams: 0 };
    const timer = setTimeout(() => session.destroy(), this.#options.connectTimeoutMs);
    session
      .on("connect", () => {
        shared.isConnected = true;
        clearTimeout(timer);
      })
      // Streams hear of their session's error themselves.
      .on("error", () => undefined)
      .on("goaway", (_code, lastStream) => {
        shared.lastStream = lastStream;
        this.#forget(authority, shared);
      })
      .on("close", () => {
        clearTimeout(timer);
        this.#forget(authority, shared);
      });
    session.unref();
    this.#sessions.set(authority, [...(this.#sessions.get(authority) ?? []), shared]);
    return shared;
  }

  #forget(authority: string, shared: SharedSession): void {
    const left = (this.#sessions.get(authority) ?? []).filter((each) => each !== shared);
    if (left.length === 0) this.#sessions.delete(authority);
    else this.#sessions.set(authority, left);
    if (!shared.session.closed) shared.session.close();
  }
}
