import {
  encodeStatBatch,
  findOwner,
  type AggregatorMember,
  type CancelTimer,
  type Clock,
  type ObjectKey,
  type RevisionStat,
} from "@sluice/core";
import type { Logger, ServerTrust, TokenSource } from "@sluice/kit";
import { toAuthority } from "@sluice/dataplane";
import type { StatSink } from "./concurrency-reporter.ts";
import { StatConnection } from "./stat-connection.ts";

export interface StatSenderOptions {
  readonly activator: string;
  readonly token?: TokenSource | undefined;
  readonly trust?: ServerTrust | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  /** An aggregator's connection is open (again). */
  readonly onOpen: (aggregator: string) => void;
}

interface Member {
  readonly url: string;
  readonly connection: StatConnection;
}

/** A connection to each aggregator that the feed names; every revision has one of them as its owner. */
export class StatSender implements StatSink {
  readonly #options: StatSenderOptions;
  readonly #members = new Map<string, Member>();

  constructor(options: StatSenderOptions) {
    this.#options = options;
  }

  /** Aggregators that can be reached now. */
  get openConnections(): number {
    let open = 0;
    for (const { connection } of this.#members.values()) if (connection.isOpen) open++;
    return open;
  }

  *connections(): Iterable<{ readonly aggregator: string; readonly isOpen: boolean }> {
    for (const [aggregator, { connection }] of this.#members) yield { aggregator, isOpen: connection.isOpen };
  }

  putMember(aggregator: AggregatorMember): void {
    const url = toStatUrl(aggregator);
    const present = this.#members.get(aggregator.name);
    if (present !== undefined && present.url === url) return;
    this.deleteMember(aggregator.name);
    if (url === undefined) return;
    const { activator, token, trust, clock, log, random, onOpen } = this.#options;
    const connection = new StatConnection({
      url,
      activator,
      token,
      trust,
      clock,
      log,
      random,
      onOpen: () => onOpen(aggregator.name),
    });
    this.#members.set(aggregator.name, { url, connection });
  }

  deleteMember(name: string): void {
    this.#members.get(name)?.connection.close();
    this.#members.delete(name);
  }

  /** While the owner cannot be reached, the one that becomes the owner when it stays so. */
  findOwner(key: ObjectKey): string | undefined {
    if (this.#members.size === 1) return this.#members.keys().next().value;
    const owner = findOwner(key, this.#members.keys());
    if (owner === undefined || this.isOpen(owner)) return owner;
    return findOwner(key, this.#openMembers()) ?? owner;
  }

  isOpen(owner: string): boolean {
    return this.#members.get(owner)?.connection.isOpen === true;
  }

  write(owner: string, batch: readonly RevisionStat[]): boolean {
    return this.#members.get(owner)?.connection.send(encodeStatBatch(batch)) === true;
  }

  *#openMembers(): Iterable<string> {
    for (const [name, { connection }] of this.#members) if (connection.isOpen) yield name;
  }

  close(): void {
    for (const name of this.#members.keys()) this.deleteMember(name);
  }
}

/** The name of a member's port says what it speaks; TLS where there is a choice. */
function toStatUrl({ address, ports }: AggregatorMember): string | undefined {
  const { http, https } = ports;
  if (https !== undefined) return `wss://${toAuthority({ address, port: https })}/`;
  return http === undefined ? undefined : `ws://${toAuthority({ address, port: http })}/`;
}

const halfSecondMs = 500;

/** Milliseconds until the middle of a wall-clock second next comes, and the second that it is in. */
export function decideNextReport(nowMs: number): { delayMs: number; second: number } {
  const second = Math.floor((nowMs + halfSecondMs) / 1000);
  return { delayMs: second * 1000 + halfSecondMs - nowMs, second };
}

/**
 * Calls `report` in the middle of every second of the wall clock with that second. In the middle, because two activators and
 * their aggregator then agree which second it is although their clocks and timers are a little off.
 */
export function runReports(clock: Clock, report: (second: number) => void): CancelTimer {
  let cancel: CancelTimer;
  const arm = (): void => {
    const { delayMs, second } = decideNextReport(clock.now());
    cancel = clock.setTimer(() => {
      const nowSecond = Math.floor(clock.now() / 1000);
      // A timer that is a little late still speaks for its second; a clock that was set does not.
      report(Math.abs(nowSecond - second) > 1 ? nowSecond : second);
      arm();
    }, delayMs);
  };
  arm();
  return () => cancel();
}
