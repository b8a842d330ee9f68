import type { Duplex } from "node:stream";
import { SluiceError, type Clock } from "@sluice/core";
import { DeadlineQueue } from "./deadline-queue.ts";
import { answerError } from "./error-answer.ts";
import { Http2Client } from "./http2-client.ts";
import { Http2Connection, type ConnectionOwner } from "./http2/connection.ts";
import type { FieldSection } from "./http2/field-section.ts";
import type { LocalSettings } from "./http2/settings.ts";
import type { Http2Stream } from "./http2/stream.ts";

/** A request as HTTP/2 says it. */
export interface Http2Arrival {
  readonly client: Http2Client;
  readonly method: string;
  readonly url: string;
  readonly authority: string | undefined;
  /** Names and values in turn, without pseudo-headers. */
  readonly rawHeaders: readonly string[];
  readonly hasBody: boolean;
  readonly peerAddress: string;
  readonly socket: PeerSocket;
}

/** What a connection's socket tells of its other end, as long as it is open. */
export interface PeerSocket {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  /** True over TLS. */
  readonly encrypted?: boolean | undefined;
}

/** Takes what is a request. */
export interface Http2Handler {
  handleStream(arrival: Http2Arrival): void;
}

export interface Http2ServerOptions {
  /** How long a client may take to send what it has begun: its greeting, a head, a frame. */
  readonly headerTimeoutMs: number;
  /** Size of a head, as RFC 9113 §6.5.2 counts it. */
  readonly maxHeaderBytes: number;
  readonly clock: Clock;
}

/** Of a body that nobody has seen, so much is kept, so that it can be sent a second time. */
const replayBytes = 64 * 1024;

/**
 * Go's number of streams, which Knative's clients are used to. One stream's body may wait here in part; the connection's window lets
 * many do so before they hold up the others.
 */
const windows = {
  maxConcurrentStreams: 250,
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 8 * 1024 * 1024,
} as const;

/** The HTTP/2 front, by prior knowledge on a plain port and by ALPN on a TLS one. It never binds: connections are handed to it. */
export class Http2Front {
  readonly #handler: Http2Handler;
  readonly #clock: Clock;
  readonly #settings: LocalSettings;
  readonly #stalled: DeadlineQueue<"stalled">;
  readonly #clients = new Set<ClientConnection>();
  #isLeaving = false;

  constructor(handler: Http2Handler, { headerTimeoutMs, maxHeaderBytes, clock }: Http2ServerOptions) {
    this.#handler = handler;
    this.#clock = clock;
    this.#settings = { ...windows, maxHeaderListBytes: maxHeaderBytes };
    this.#stalled = new DeadlineQueue("stalled", headerTimeoutMs, clock);
  }

  /** Takes a connection of which nothing was read yet. */
  accept(socket: Duplex & { readonly remoteAddress?: string | undefined }): void {
    const client = new ClientConnection(this, socket, this.#settings, this.#clock);
    this.#clients.add(client);
    client.watch(this.#stalled);
  }

  /** GOAWAY on every connection: streams that run may finish, new ones go elsewhere. */
  goAway(): void {
    this.#isLeaving = true;
    for (const { connection } of this.#clients) connection.leave();
  }

  /** Ends every connection, at once. */
  close(): void {
    for (const { connection } of this.#clients) connection.destroy();
  }

  /** Only for its connections. */
  take(arrival: Http2Arrival, connection: Http2Connection): void {
    // Who still comes is served, and told.
    if (this.#isLeaving) connection.leave();
    this.#handler.handleStream(arrival);
  }

  /** Only for its connections. */
  forget(client: ClientConnection): void {
    this.#clients.delete(client);
  }
}

/** One client's connection. */
class ClientConnection implements ConnectionOwner {
  readonly connection: Http2Connection;
  readonly #front: Http2Front;
  readonly #peerAddress: string;
  readonly #socket: PeerSocket;
  #stopWatching: (() => void) | undefined;
  #messagesBefore = -1;

  constructor(front: Http2Front, socket: Duplex & PeerSocket, local: LocalSettings, clock: Clock) {
    this.#front = front;
    this.#socket = socket;
    this.#peerAddress = socket.remoteAddress ?? "";
    this.connection = new Http2Connection(socket, { isServer: true, local, clock }, this);
  }

  /** Ends the connection when what it has begun to say does not go on, and answers that its client does not take. */
  watch(stalled: DeadlineQueue<"stalled">): void {
    const deadline = stalled.start({
      onDeadline: () => {
        const { isInMessage, messageCount } = this.connection;
        this.connection.dropStalled();
        if (isInMessage && messageCount === this.#messagesBefore) this.connection.destroy();
        else if (!this.connection.isClosed) this.watch(stalled);
      },
    });
    this.#messagesBefore = this.connection.isInMessage ? this.connection.messageCount : -1;
    this.#stopWatching = () => stalled.cancel(deadline);
  }

  onRequest(stream: Http2Stream, section: FieldSection, isEnd: boolean): void {
    const client = new Http2Client(stream, replayBytes);
    if (section.isBadRequest) return answerError(client, new SluiceError("bad-request"));
    if (section.isTooLarge) return answerError(client, new SluiceError("headers-too-large"));
    if (section.method === "CONNECT") return answerError(client, new SluiceError("connect-unsupported"));
    this.#front.take(
      {
        client,
        method: section.method ?? "GET",
        url: section.path ?? "/",
        authority: section.authority,
        rawHeaders: section.headers,
        hasBody: !isEnd,
        peerAddress: this.#peerAddress,
        socket: this.#socket,
      },
      this.connection,
    );
  }

  onSettings(): void {}

  onStreamClosed(): void {}

  onClosed(): void {
    this.#stopWatching?.();
    this.#front.forget(this);
  }
}
