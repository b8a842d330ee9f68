import { AsyncResource } from "node:async_hooks";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { SluiceError } from "@sluice/core";
import {
  closeForClient,
  EarlyBytes,
  FrameTracker,
  type Forwarding,
  type Http1Client,
} from "@sluice/dataplane";
import type { Exchange } from "../exchange.ts";
import { showToApp } from "./app-message.ts";
import { makeDeaf, StandIns, type Method } from "./stand-ins.ts";
import { SwitchReader } from "./switch-reader.ts";

/** What an app does with the socket of an upgrade. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => unknown;

/** An upgrade in the hands of the app: its answer, and then whatever both sides say, is read as it goes by. */
export class TunnelRun implements Forwarding {
  readonly requestBytes = 0;
  readonly #client: Http1Client;
  readonly #socket: Duplex;
  readonly #early: EarlyBytes;
  readonly #handler: UpgradeHandler;
  readonly #standIns: StandIns;
  readonly #answer = new SwitchReader();
  readonly #frames = new FrameTracker();
  #write: Method = () => true;
  #exchange: Exchange | undefined;
  #isClosing = false;

  constructor(client: Http1Client, socket: Duplex, head: Buffer, handler: UpgradeHandler) {
    this.#client = client;
    this.#socket = socket;
    this.#early = new EarlyBytes(socket, head);
    this.#handler = AsyncResource.bind(handler);
    this.#standIns = new StandIns(socket);
  }

  start(exchange: Exchange): this {
    this.#exchange = exchange;
    const { request } = this.#client;
    showToApp(request, exchange.host, exchange.head.endToEnd);
    this.#watch(exchange);
    const early = this.#early.take();
    leaveUnread(this.#socket);
    try {
      this.#handler(request, this.#socket, early);
    } catch (error) {
      exchange.fail(new SluiceError("internal", undefined, { cause: error }));
      process.nextTick(() => {
        throw error;
      });
    }
    return this;
  }

  resume(): void {}

  /** Before the app has said anything an ordinary answer is still possible; afterwards the connection is cut. */
  cancel(): void {
    this.#standIns.removeAll();
    if (this.#answer.hasBegun) this.#socket.destroy();
    process.nextTick(() => this.#ignoreApp());
  }

  /** The pod goes: a WebSocket's client hears 1001 between two frames; other tunnels are cut. The app knows. */
  goAway(): void {
    if (this.#exchange?.isOver === true || this.#isClosing) return;
    this.#isClosing = true;
    if (this.#answer.status === 101 && this.#client.request.headers.upgrade?.toLowerCase() === "websocket") {
      this.#sayGoingAway();
    } else this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #watch(exchange: Exchange): void {
    this.#standIns.put("write", (write) => {
      this.#write = write;
      return (...values) => {
        this.#onSaid(exchange, values);
        const result = write(...values);
        if (this.#isClosing) this.#sayGoingAway();
        return result;
      };
    });
    this.#standIns.put("end", (end) => (...values) => {
      this.#onSaid(exchange, values);
      return end(...values);
    });
    this.#standIns.put("push", (push) => (...values) => {
      if (!exchange.isOver) exchange.onResponseProgress();
      return push(...values);
    });
    this.#standIns.put("destroy", (destroy) => (error) => this.#destroy(exchange, destroy, error));
    this.#socket.once("close", () => {
      if (this.#answer.hasBegun && !exchange.isOver) exchange.onForwarded(undefined);
    });
  }

  /** An app that gives up without a word is one that closed its connection. Node itself destroys with an error: the client's. */
  #destroy(exchange: Exchange, destroy: Method, error: unknown): unknown {
    if (exchange.isOver || this.#answer.hasBegun || this.#socket.destroyed || error !== undefined) {
      return destroy(error);
    }
    exchange.fail(new SluiceError("upstream-reset"));
    return this.#socket;
  }

  #onSaid(exchange: Exchange, [chunk, encoding]: readonly unknown[]): void {
    const bytes = toBytes(chunk, encoding);
    if (bytes.length === 0 || exchange.isOver) return;
    const { response } = this.#client;
    // From here on nothing can be said in the app's place.
    if (!this.#answer.hasBegun) response.detachSocket(this.#socket as Socket);
    const before = this.#answer.status;
    this.#frames.push(this.#answer.read(bytes));
    exchange.onResponseProgress();
    if (this.#answer.status !== before) this.#onStatus(exchange, this.#answer.status);
  }

  #onStatus(exchange: Exchange, status: number): void {
    if (status === 101) exchange.onUpgraded();
    else exchange.onResponseHead(status);
  }

  #sayGoingAway(): void {
    if (!this.#frames.isBetweenFrames) return;
    this.#write(closeForClient);
    this.#ignoreApp();
  }

  /** The connection can still be ended, and nothing more be said on it. */
  #ignoreApp(): void {
    makeDeaf(this.#socket, ["write"], true);
    new StandIns(this.#socket).put(
      "end",
      (end) =>
        (...values) =>
          end(values.at(-1)),
    );
  }
}

/** As Node hands a socket over: it is read as soon as somebody listens, whenever that is. */
function leaveUnread(socket: Duplex): void {
  socket.pause();
  Reflect.set(socket, "readableFlowing", null);
}

function toBytes(chunk: unknown, encoding: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk !== "string") return Buffer.alloc(0);
  return Buffer.from(chunk, typeof encoding === "string" && Buffer.isEncoding(encoding) ? encoding : "utf8");
}
