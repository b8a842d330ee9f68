import {
  findOwner,
  type AggregatorMember,
  type CancelTimer,
  type Decision,
  type ObjectKey,
  type RevisionStat,
} from "@sluice/core";
import { Peer, type PeerOptions } from "./peer.ts";

export interface MembershipOptions extends Omit<PeerOptions, "onReachable"> {
  /** Who owns what may have changed. */
  readonly onChange: () => void;
}

/** A member that cannot be reached for so long is taken to be dead, although the feed still names it. */
const deadAfterMs = 5000;
const checkMs = 1000;

/**
 * The aggregators that the feed names share out the revisions by rendezvous hashing. A member that dies loses its
 * share to the others within seconds, also when the feed does not notice.
 */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #peers = new Map<string, Peer>();
  #named: ReadonlySet<string> = new Set();
  #live: readonly string[];
  #cancelCheck: CancelTimer | undefined;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#live = [options.self];
  }

  /** Those that share out the revisions now, sorted. */
  get live(): readonly string[] {
    return this.#live;
  }

  ownerOf(key: ObjectKey): string | undefined {
    return this.#live.length === 1 ? this.#live[0] : findOwner(key, this.#live);
  }

  isOwned(key: ObjectKey): boolean {
    return this.ownerOf(key) === this.#options.self;
  }

  /** Takes the members that the feed names. One that the feed does not name owns nothing, unless nobody is named. */
  setMembers(members: ReadonlyMap<string, AggregatorMember>): void {
    this.#named = new Set(members.keys());
    for (const [name, peer] of this.#peers) {
      const member = members.get(name);
      if (member === undefined || !isSamePlace(member, peer.member)) this.#drop(name, peer);
    }
    for (const [name, member] of members) {
      if (name !== this.#options.self && !this.#peers.has(name)) this.#add(member);
    }
    this.#update();
    if (this.#peers.size > 0)
      this.#cancelCheck ??= this.#options.clock.setTimer(() => this.#check(), checkMs);
  }

  /** Hands stats to the aggregators that own them; returns those that nobody could take. */
  forward(batch: readonly RevisionStat[]): readonly RevisionStat[] {
    const byOwner = Map.groupBy(batch, ({ namespace, name }) => this.ownerOf(`${namespace}/${name}`));
    const left: RevisionStat[] = [];
    for (const [owner, stats] of byOwner) {
      const isTaken = owner !== undefined && this.#peers.get(owner)?.forward(stats) === true;
      if (!isTaken) left.push(...stats);
    }
    return left;
  }

  /** What peers decided, for the revisions that they own. */
  *decisions(): Iterable<Decision> {
    for (const [name, peer] of this.#peers) {
      for (const decision of peer.decisions) if (decision.owner === name) yield decision;
    }
  }

  async close(): Promise<void> {
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
    await Promise.all([...this.#peers.values()].map((peer) => peer.close()));
  }

  #add(member: AggregatorMember): void {
    const peer = new Peer(member, { ...this.#options, onReachable: () => this.#update() });
    this.#peers.set(member.name, peer);
  }

  #drop(name: string, peer: Peer): void {
    this.#peers.delete(name);
    void peer.close();
  }

  #check(): void {
    this.#update();
    this.#cancelCheck =
      this.#peers.size === 0 ? undefined : this.#options.clock.setTimer(() => this.#check(), checkMs);
  }

  #update(): void {
    const { self } = this.#options;
    const live: string[] = this.#named.size === 0 || this.#named.has(self) ? [self] : [];
    for (const [name, peer] of this.#peers) if (peer.unreachableMs < deadAfterMs) live.push(name);
    live.sort();
    if (live.join() === this.#live.join()) return;
    this.#options.log.info({ live }, "aggregators share out the revisions");
    this.#live = live;
    this.#options.onChange();
  }
}

function isSamePlace(one: AggregatorMember, other: AggregatorMember): boolean {
  const isSamePort = (name: string): boolean => one.ports[name] === other.ports[name];
  return one.address === other.address && isSamePort("http") && isSamePort("https");
}
