import { connect } from "node:net";
import { SluiceError, type CancelTimer, type Clock } from "@sluice/core";
import { DeadlineQueue } from "./deadline-queue.ts";
import { Http2Connection, type ConnectionOwner } from "./http2/connection.ts";
import type { LocalSettings } from "./http2/settings.ts";
import type { TargetPool } from "./target-pools.ts";
import { toAuthority, type Target } from "./target.ts";

/** Waits for room on a connection, until it gets it, hears that there is none, or leaves. */
export interface Http2Waiter {
  /** Called once at most, perhaps before `take` returns: opens its stream before it returns. */
  onConnection(connection: Http2Connection): void;
  /** Nothing was sent. */
  onConnectFailed(error: Error): void;
}

export interface Http2PoolOptions {
  /** How long connecting may take, until the target has said its settings. */
  readonly connectTimeoutMs: number;
  /** Size of an answer's head that is accepted. */
  readonly maxHeadBytes: number;
  /**
   * A connection on which something runs and nothing comes is asked for a sign of life after this long, and ended when there is none for
   * as long again: a machine that died says nothing. Not for apps, which may compute for long without looking at their connections.
   */
  readonly silenceMs?: number;
}

/** Streams on one connection before another is opened; the target's own limit counts when it is lower. */
const maxStreams = 100;
/**
 * A target ends a connection that resets many streams (CVE-2023-44487), with everything that is on it: one that has reset so many gets
 * no more, so that clients who give up cost others nothing. Node's limit is 1,000.
 */
const maxResets = 500;

/** A connection on which much comes gets the larger buffer. */
const firstBufferBytes = 8 * 1024;
const maxBufferBytes = 64 * 1024;

/** So much of one answer may wait here for a slow client; all that are on a connection may do so at once. */
const streamWindowBytes = 256 * 1024;

/** The HTTP/2 connections to one target: another is opened when the others are full. */
export class Http2Pool implements TargetPool {
  readonly #target: Target;
  readonly #options: Http2PoolOptions;
  readonly #clock: Clock;
  readonly #silence: DeadlineQueue<"silence"> | undefined;
  readonly #all = new Set<PooledConnection>();
  /** In the order in which they came. */
  readonly #waiting = new Set<Http2Waiter>();
  /** What the target took last time. */
  #streamsPerConnection = maxStreams;

  constructor(target: Target, options: Http2PoolOptions, clock: Clock) {
    this.#target = target;
    this.#options = options;
    this.#clock = clock;
    if (options.silenceMs !== undefined)
      this.#silence = new DeadlineQueue("silence", options.silenceMs, clock);
  }

  get authority(): string {
    return toAuthority(this.#target);
  }

  /** Gives the waiter a connection with room for one more stream, now or when there is one. */
  take(waiter: Http2Waiter): void {
    const pooled = this.#waiting.size === 0 ? this.#findRoom() : undefined;
    if (pooled !== undefined) {
      waiter.onConnection(pooled.connection);
      return;
    }
    this.#waiting.add(waiter);
    this.#openForWaiting();
  }

  /** The waiter hears nothing any more. */
  leave(waiter: Http2Waiter): void {
    this.#waiting.delete(waiter);
  }

  /** The target is gone: its connections end with the streams that are on them. */
  retire(): void {
    this.#fail(new SluiceError("upstream-connect", "the target is gone"));
    for (const { connection } of this.#all) connection.leave();
  }

  /** Ends every connection, at once. */
  destroy(): void {
    for (const { connection } of this.#all) connection.destroy();
  }

  /** The target said on a connection what it takes. */
  onSettings({ connection }: PooledConnection): void {
    this.#streamsPerConnection = Math.min(maxStreams, connection.peer.maxConcurrentStreams);
    this.onRoom();
  }

  onRoom(): void {
    for (const waiter of this.#waiting) {
      const pooled = this.#findRoom();
      if (pooled === undefined) break;
      this.#waiting.delete(waiter);
      waiter.onConnection(pooled.connection);
    }
    if (this.#waiting.size > 0) this.#openForWaiting();
  }

  /** One that was of no use fails those who wait, unless there are others that they can wait for. */
  onClosed(pooled: PooledConnection, error: Error): void {
    this.#all.delete(pooled);
    if (pooled.connection.hasOpened) this.#openForWaiting();
    else if (this.#all.size === 0) this.#fail(error);
  }

  #fail(error: Error): void {
    for (const waiter of this.#waiting) {
      this.#waiting.delete(waiter);
      waiter.onConnectFailed(error);
    }
  }

  #findRoom(): PooledConnection | undefined {
    for (const pooled of this.#all) if (pooled.hasRoom) return pooled;
    return undefined;
  }

  #openForWaiting(): void {
    const wanted = Math.ceil(this.#waiting.size / Math.max(1, this.#streamsPerConnection));
    let connecting = 0;
    for (const { wasUsable, connection } of this.#all) {
      // A target that takes no streams at all would take none on another connection either.
      if (wasUsable && connection.streamCount === 0 && !connection.isLeaving) return;
      if (!wasUsable) connecting++;
    }
    for (; connecting < wanted; connecting++) {
      const pooled = new PooledConnection(this, this.#target, this.#options, this.#clock);
      this.#all.add(pooled);
      if (this.#silence !== undefined) pooled.watch(this.#silence);
    }
  }
}

/** One connection of a pool. */
class PooledConnection implements ConnectionOwner {
  readonly connection: Http2Connection;
  /** The target took it. */
  wasUsable = false;
  readonly #pool: Http2Pool;
  readonly #cancelTimer: CancelTimer;
  #stopWatching: CancelTimer | undefined;
  /** What the socket is read into. */
  #buffer: Buffer = Buffer.allocUnsafeSlow(firstBufferBytes);
  #messagesBefore = -1;
  #isAsked = false;
  #error: Error = new SluiceError("upstream-connect", "the target ended the connection before its SETTINGS");

  constructor(pool: Http2Pool, { address, port }: Target, options: Http2PoolOptions, clock: Clock) {
    this.#pool = pool;
    const socket = connect({
      host: address,
      port,
      noDelay: true,
      keepAlive: true,
      onread: { buffer: () => this.#buffer, callback: (length) => this.#onRead(length) },
    });
    // A connection that nobody uses does not keep the process alive.
    socket.unref();
    socket.on("error", (error) => (this.#error = error));
    this.#cancelTimer = clock.setTimer(() => {
      this.#error = new SluiceError("upstream-connect", "the target did not answer in time");
      socket.destroy();
    }, options.connectTimeoutMs);
    this.connection = new Http2Connection(
      socket,
      { isServer: false, local: toLocalSettings(options.maxHeadBytes), clock },
      this,
    );
  }

  /** What was kept of the buffer stays with who keeps it, and the next read gets another. */
  #onRead(length: number): boolean {
    const buffer = this.#buffer;
    const isFree = this.connection.receive(buffer.subarray(0, length));
    const isFull = length === buffer.length && length < maxBufferBytes;
    if (isFull) this.#buffer = Buffer.allocUnsafeSlow(maxBufferBytes);
    else if (!isFree) this.#buffer = Buffer.allocUnsafeSlow(buffer.length);
    return true;
  }

  get hasRoom(): boolean {
    const { connection } = this;
    return connection.hasRoom && connection.streamCount < maxStreams && connection.resetCount < maxResets;
  }

  /** Asks and ends, as the pool's options say. */
  watch(silence: DeadlineQueue<"silence">): void {
    const { connection } = this;
    const deadline = silence.start({
      onDeadline: () => {
        const isSilent = connection.streamCount > 0 && connection.messageCount === this.#messagesBefore;
        if (isSilent && this.#isAsked) connection.destroy();
        else {
          if (isSilent) connection.ping();
          this.#isAsked = isSilent;
          this.watch(silence);
        }
      },
    });
    this.#messagesBefore = connection.messageCount;
    this.#stopWatching = () => silence.cancel(deadline);
  }

  onRequest(): void {}

  onSettings(): void {
    this.wasUsable = true;
    this.#cancelTimer();
    this.#pool.onSettings(this);
  }

  onStreamClosed(): void {
    if (this.connection.resetCount >= maxResets) this.connection.leave();
    this.#pool.onRoom();
  }

  onClosed(): void {
    this.#cancelTimer();
    this.#stopWatching?.();
    this.#pool.onClosed(this, this.#error);
  }
}

function toLocalSettings(maxHeaderListBytes: number): LocalSettings {
  return {
    maxConcurrentStreams: 0,
    streamWindowBytes,
    connectionWindowBytes: maxStreams * streamWindowBytes,
    maxHeaderListBytes,
  };
}
