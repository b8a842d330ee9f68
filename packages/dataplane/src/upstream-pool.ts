import type { CancelTimer, Clock } from "@sluice/core";
import type { TargetPool } from "./target-pools.ts";
import type { Target } from "./target.ts";
import { UpstreamConnection, type ConnectionOwner } from "./upstream-connection.ts";

/** Waits for a connection, until it gets one, hears that there is none, or leaves. */
export interface ConnectionWaiter {
  /** Called once at most, perhaps before `take` returns. */
  onConnection(connection: UpstreamConnection): void;
  /** No byte of anything was sent. */
  onConnectFailed(error: Error): void;
}

export interface UpstreamPoolOptions {
  /** How long connecting may take; 0 is as long as the system tries. */
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept when the target does not say. */
  readonly idleTimeoutMs: number;
  /** Idle connections to one target that are kept at most. */
  readonly maxIdlePerTarget: number;
  /** Bytes of response head that are accepted. */
  readonly maxHeadBytes: number;
}

/** An app that closes idle connections after a time is left this much earlier, so that no request meets the close. */
const keepAliveMarginMs = 1000;

/**
 * The HTTP/1.1 connections to one target: as many as there are requests on them at once, one request each. The one that was used
 * last is taken first, so those that are not needed grow old and are closed.
 */
export class UpstreamPool implements ConnectionOwner, TargetPool {
  readonly #target: Target;
  readonly #options: UpstreamPoolOptions;
  readonly #clock: Clock;
  readonly #all = new Set<UpstreamConnection>();
  /** The one that was used last at the end. */
  readonly #idle: UpstreamConnection[] = [];
  readonly #waiting: ConnectionWaiter[] = [];
  /** Those who take nothing but a new one. */
  readonly #waitingForNew: ConnectionWaiter[] = [];
  #connecting = 0;
  #cancelSweep: CancelTimer | undefined;
  #isClosing = false;

  constructor(target: Target, options: UpstreamPoolOptions, clock: Clock) {
    this.#target = target;
    this.#options = options;
    this.#clock = clock;
  }

  /** Gives the waiter a connection, now or when there is one. */
  take(waiter: ConnectionWaiter): void {
    const nowMs = this.#idle.length === 0 ? 0 : this.#clock.monotonic();
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.isUsable && idle.idleUntilMs > nowMs) {
        waiter.onConnection(idle);
        return;
      }
      idle.destroy();
    }
    this.#waiting.push(waiter);
    this.#connectForWaiting();
  }

  /**
   * Like `take`, but a new one, before everybody else: one that has just given an answer may be closed as well, by an app that closes
   * each without saying so.
   */
  takeNew(waiter: ConnectionWaiter): void {
    this.#waitingForNew.push(waiter);
    this.#connectForWaiting();
  }

  /** The waiter hears nothing any more. */
  leave(waiter: ConnectionWaiter): void {
    for (const line of [this.#waiting, this.#waitingForNew]) {
      const index = line.indexOf(waiter);
      if (index !== -1) line.splice(index, 1);
    }
  }

  retire(): void {
    this.#isClosing = true;
    this.#cancelSweep?.();
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  destroy(): void {
    this.retire();
    for (const connection of this.#all) connection.destroy();
  }

  onConnected(connection: UpstreamConnection): void {
    this.#connecting--;
    const waiter = this.#waitingForNew.shift();
    if (waiter === undefined) this.onReusable(connection);
    else waiter.onConnection(connection);
  }

  onReusable(connection: UpstreamConnection): void {
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      waiter.onConnection(connection);
      return;
    }
    if (this.#isClosing) {
      connection.destroy();
      return;
    }
    if (this.#idle.length >= this.#options.maxIdlePerTarget) this.#idle.shift()?.destroy();
    connection.mayBeStale = true;
    connection.idleUntilMs = this.#clock.monotonic() + this.#toIdleMs(connection);
    this.#idle.push(connection);
    this.#cancelSweep ??= this.#clock.setTimer(this.#sweep, this.#options.idleTimeoutMs);
  }

  /** One that could not be made fails one who waits; the others have theirs coming. */
  onClosed(connection: UpstreamConnection, error: Error): void {
    this.#all.delete(connection);
    if (!connection.isConnected) {
      this.#connecting--;
      (this.#waitingForNew.shift() ?? this.#waiting.shift())?.onConnectFailed(error);
    } else {
      const index = this.#idle.indexOf(connection);
      if (index !== -1) this.#idle.splice(index, 1);
    }
  }

  #connectForWaiting(): void {
    if (this.#connecting >= this.#waiting.length + this.#waitingForNew.length) return;
    this.#connecting++;
    const { connectTimeoutMs, maxHeadBytes } = this.#options;
    this.#all.add(new UpstreamConnection(this.#target, connectTimeoutMs, maxHeadBytes, this));
  }

  #toIdleMs({ keepAliveSeconds }: UpstreamConnection): number {
    const { idleTimeoutMs } = this.#options;
    return keepAliveSeconds === -1
      ? idleTimeoutMs
      : Math.min(idleTimeoutMs, keepAliveSeconds * 1000 - keepAliveMarginMs);
  }

  readonly #sweep = (): void => {
    this.#cancelSweep = undefined;
    const nowMs = this.#clock.monotonic();
    const kept = this.#idle.filter((connection) => connection.idleUntilMs > nowMs);
    const old = this.#idle.filter((connection) => connection.idleUntilMs <= nowMs);
    this.#idle.splice(0, this.#idle.length, ...kept);
    for (const connection of old) connection.destroy();
    if (kept.length > 0) this.#cancelSweep = this.#clock.setTimer(this.#sweep, this.#options.idleTimeoutMs);
  };
}
