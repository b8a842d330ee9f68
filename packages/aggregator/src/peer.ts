import {
  decisionSchema,
  encodeStatBatch,
  type AggregatorMember,
  type CancelTimer,
  type Clock,
  type Decision,
  type RevisionStat,
} from "@sluice/core";
import {
  Backoff,
  readToken,
  toClientTls,
  WatchClient,
  type Logger,
  type ServerTrust,
  type TokenSource,
} from "@sluice/kit";
import { WebSocket } from "ws";

/** Names the sender on a connection that carries stats which reached the wrong aggregator. */
export const forwarderHeader = "sluice-forwarder";

export interface PeerOptions {
  /** The name of this aggregator, not the peer's. */
  readonly self: string;
  readonly token: TokenSource | undefined;
  /** For members whose port is named `https`. */
  readonly trust: ServerTrust;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly onDecision: (decision: Decision) => void;
  /** The peer can be reached again, or no longer. */
  readonly onReachable: () => void;
}

/** Stats of two seconds of a large system; beyond it the peer does not read, and newer stats are worth more. */
const maxBufferedBytes = 4 * 1024 * 1024;

/** Another aggregator: its decisions as they come, and a way to hand it the stats that are its own. */
export class Peer {
  readonly member: AggregatorMember;
  readonly #options: PeerOptions;
  readonly #watch: WatchClient<Decision>;
  readonly #backoff: Backoff;
  #socket: WebSocket | undefined;
  #cancelRetry: CancelTimer | undefined;
  #lastReachableMs: number;
  #isClosed = false;

  constructor(member: AggregatorMember, options: PeerOptions) {
    this.member = member;
    this.#options = options;
    this.#backoff = new Backoff({ firstMs: 50, capMs: 1000 }, options.random);
    // A peer that was never reached may just be starting.
    this.#lastReachableMs = options.clock.monotonic();
    this.#watch = new WatchClient<Decision>({
      url: `${toScheme(member, "http")}://${toAuthority(member)}/v1/scale`,
      trust: options.trust,
      schema: decisionSchema,
      clock: options.clock,
      random: options.random,
      log: options.log,
      silenceMs: 5000,
      backoff: { firstMs: 50, capMs: 1000 },
      ...(options.token === undefined ? {} : { token: options.token }),
      onSnapshot: (decisions) => decisions.forEach((decision) => this.#take(decision)),
      onPut: (_key, decision) => this.#take(decision),
      onConnected: () => this.#noteReachable(),
      onDisconnected: () => this.#noteReachable(),
    });
    this.#connect();
  }

  /** Milliseconds since it was last in reach; 0 while it is. */
  get unreachableMs(): number {
    if (this.#watch.isConnected) return 0;
    return this.#options.clock.monotonic() - this.#lastReachableMs;
  }

  /** The peer's own decisions, as far as they are known here. */
  get decisions(): Iterable<Decision> {
    return this.#watch.objects.values();
  }

  /** False when the peer cannot take them now. */
  forward(batch: readonly RevisionStat[]): boolean {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > maxBufferedBytes) return false;
    socket.send(encodeStatBatch(batch));
    return true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#socket?.terminate();
    await this.#watch.close();
  }

  /** A peer also repeats what it heard from others; each aggregator is believed about its own revisions only. */
  #take(decision: Decision): void {
    if (decision.owner === this.member.name) this.#options.onDecision(decision);
  }

  #noteReachable(): void {
    this.#lastReachableMs = this.#options.clock.monotonic();
    if (!this.#isClosed) this.#options.onReachable();
  }

  #connect(): void {
    const { token, self, trust } = this.#options;
    const scheme = toScheme(this.member, "ws");
    const headers: Record<string, string> = { [forwarderHeader]: self };
    if (token !== undefined) headers["authorization"] = `Bearer ${readToken(token)}`;
    const socket = new WebSocket(`${scheme}://${toAuthority(this.member)}/`, {
      ...(scheme === "wss" && toClientTls(trust)),
      headers,
      handshakeTimeout: 3000,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    socket.on("open", () => this.#backoff.reset());
    // The watch reports that the peer is gone; this connection only comes back with it.
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      if (this.#isClosed) return;
      this.#cancelRetry = this.#options.clock.setTimer(() => this.#connect(), this.#backoff.nextMs());
    });
  }
}

function toAuthority(member: AggregatorMember): string {
  const host = member.address.includes(":") ? `[${member.address}]` : member.address;
  return `${host}:${member.ports["https"] ?? member.ports["http"] ?? defaultPort}`;
}

/** The name of a member's port says what it speaks; TLS where there is a choice. */
function toScheme<S extends "http" | "ws">(member: AggregatorMember, plain: S): S | `${S}s` {
  return member.ports["https"] === undefined ? plain : `${plain}s`;
}

const defaultPort = 8003;
