import { request as httpRequest, ServerResponse, type ClientRequest, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { SluiceError, headerNames } from "@sluice/core";
import type { EarlyBytes } from "./early-bytes.ts";
import type { ForwardFailure, Forwarding, ForwardObserver, ForwardRequest } from "./forward.ts";
import { Http1Client } from "./http1-client.ts";
import { toUpgradeHeaders } from "./response-headers.ts";
import { relayResponse } from "./response-relay.ts";
import { toForwardFailure, toRefusal } from "./upstream-failure.ts";
import type { Target } from "./target.ts";
import { closeForApp, closeForClient, FrameTracker } from "./websocket-close.ts";

export interface UpgradeObserver extends ForwardObserver {
  /** The app agreed: from here on the two sides talk past us, until `onForwarded`. */
  onUpgraded(): void;
}

/**
 * The client of an upgrade request. Node gives its socket away with the request; until the app has agreed to the new
 * protocol an ordinary answer is still possible, and this makes it one.
 */
export function createUpgradeClient(request: IncomingMessage, socket: Duplex): Http1Client {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  // Node types the socket of a server as net.Socket; TLS sockets and tests hand over other duplexes.
  response.assignSocket(socket as Parameters<typeof response.assignSocket>[0]);
  response.on("finish", () => socket.end());
  socket.on("error", () => socket.destroy());
  return new Http1Client(request, response);
}

/** WebSocket and other upgrades: the handshake through `node:http`, then bytes in both directions, each at the reader's pace. */
export class UpgradeForward implements Forwarding {
  readonly #client: Http1Client;
  readonly #socket: Duplex;
  readonly #early: EarlyBytes;
  readonly #observer: UpgradeObserver;
  readonly #honoursRefusal: boolean;
  #request: ClientRequest | undefined;
  #appSocket: Duplex | undefined;
  #appResponse: IncomingMessage | undefined;
  #frames: TunnelFrames | undefined;
  /** What brings a body is no upgrade. */
  readonly requestBytes = 0;
  #isSent = false;
  #isDone = false;
  #isClosing = false;
  #offered = "";

  /** `honoursRefusal`: the target is a sidecar, whose `Sluice-Refused` means that the app saw nothing. */
  constructor(
    client: Http1Client,
    socket: Duplex,
    early: EarlyBytes,
    observer: UpgradeObserver,
    honoursRefusal = false,
  ) {
    this.#client = client;
    this.#socket = socket;
    this.#early = early;
    this.#observer = observer;
    this.#honoursRefusal = honoursRefusal;
  }

  start(target: Target, request: ForwardRequest, protocol: string): void {
    const upstream = httpRequest({
      agent: false,
      host: target.address,
      port: target.port,
      method: request.method,
      path: request.path,
      headers: [...request.headers, "Connection", "Upgrade", "Upgrade", protocol],
      setHost: false,
    });
    this.#request = upstream;
    this.#offered = protocol;
    upstream
      .on("socket", (socket) => socket.once("connect", () => (this.#isSent = true)))
      .on("upgrade", (response, socket, head) => this.#splice(response, socket, head))
      .on("response", (response) => this.#relay(response))
      .on("error", (error) => this.#finish(toForwardFailure(error, this.#isSent)))
      .end();
  }

  resume(): void {
    this.#appResponse?.resume();
  }

  /** Both sides are cut, whatever they were saying. */
  cancel(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#request?.destroy();
    this.#appSocket?.destroy();
    if (this.#appSocket !== undefined) this.#socket.destroy();
  }

  /** The app did not agree: its answer is an ordinary one. */
  #relay(response: IncomingMessage): void {
    if (this.#isDone) return;
    const refusal = this.#honoursRefusal ? response.headers[headerNames.refused] : undefined;
    if (refusal !== undefined) {
      this.#finish(toRefusal(refusal, false));
      return;
    }
    this.#appResponse = response;
    relayResponse(response, this.#client, this.#observer, {
      onRelayed: () => this.#finish(undefined),
      onRelayFailed: (error) => this.#finish(toForwardFailure(error, true)),
    });
  }

  #splice(response: IncomingMessage, appSocket: Duplex, appHead: Buffer): void {
    if (this.#isDone || !isOffered(response, this.#offered)) {
      appSocket.destroy();
      const error = new SluiceError("upstream-invalid", "the app chose a protocol that was not offered");
      this.#finish({ error, mayHaveReachedApp: true });
      return;
    }
    const socket = this.#socket;
    this.#appSocket = appSocket;
    this.#client.response.detachSocket(socket as Parameters<ServerResponse["detachSocket"]>[0]);
    this.#observer.onResponseProgress();
    this.#observer.onUpgraded();
    socket.write(toRawHead(response), "latin1");
    if (appHead.length > 0) socket.write(appHead);
    const early = this.#early.take();
    if (early.length > 0) appSocket.write(early);
    appSocket.on("error", () => appSocket.destroy());
    // An end on one side is an end for the other, after what was under way.
    appSocket.on("close", () => this.#onClosed(socket));
    socket.on("close", () => this.#onClosed(appSocket));
    if (response.headers.upgrade?.toLowerCase() === "websocket") this.#frames = new TunnelFrames();
    this.#frames?.fromApp.push(appHead);
    this.#frames?.fromClient.push(early);
    // Bytes in either direction are a sign of life.
    socket.on("data", (chunk: Buffer) => {
      this.#observer.onResponseProgress();
      this.#frames?.fromClient.push(chunk);
    });
    appSocket.on("data", (chunk: Buffer) => {
      this.#observer.onResponseProgress();
      this.#frames?.fromApp.push(chunk);
      if (this.#isClosing) this.#sayGoingAway();
    });
    socket.pipe(appSocket);
    appSocket.pipe(socket);
  }

  /**
   * The pod goes: WebSockets hear 1001 on both sides, between two frames, and end; other tunnels are cut. Safe to call before the
   * app has agreed, which then cuts the attempt.
   */
  goAway(): void {
    if (this.#isDone || this.#isClosing) return;
    this.#isClosing = true;
    if (this.#appSocket === undefined || this.#frames === undefined) {
      this.#request?.destroy();
      this.#appSocket?.destroy();
      this.#socket.destroy();
      return;
    }
    this.#sayGoingAway();
  }

  #sayGoingAway(): void {
    const frames = this.#frames;
    if (frames?.fromApp.isBetweenFrames !== true) return;
    this.#appSocket?.unpipe(this.#socket);
    this.#socket.end(closeForClient);
    // Into the middle of a client's frame nothing can be said; its app sees the connection end.
    if (frames.fromClient.isBetweenFrames) {
      this.#socket.unpipe(this.#appSocket);
      this.#appSocket?.end(closeForApp);
    } else this.#appSocket?.end();
    this.#appSocket?.resume();
    this.#socket.resume();
  }

  #onClosed(other: Duplex): void {
    if (other.destroyed) this.#finish(undefined);
    else other.end(() => other.destroy());
  }

  #finish(failure: ForwardFailure | undefined): void {
    if (this.#isDone) return;
    this.#isDone = true;
    // What is left of the app's answer would wait there for a reader.
    if (failure !== undefined) this.#request?.destroy();
    this.#observer.onForwarded(failure);
  }
}

/** RFC 9110 §7.8: the app switches to one of the protocols that the client named. */
function isOffered(response: IncomingMessage, offered: string): boolean {
  const chosen = response.headers.upgrade?.trim().toLowerCase();
  return response.statusCode === 101 && toProtocols(offered).some((protocol) => protocol === chosen);
}

function toProtocols(list: string): string[] {
  return list.split(",").map((protocol) => protocol.trim().toLowerCase());
}

/** Where the frames of a WebSocket stand, one way and the other. */
class TunnelFrames {
  readonly fromApp = new FrameTracker();
  readonly fromClient = new FrameTracker();
}

/** A 101 with its own `Connection` and `Upgrade`, which are what it is about. */
function toRawHead(response: IncomingMessage): string {
  const lines = [`HTTP/1.1 101 ${response.statusMessage ?? "Switching Protocols"}`];
  const headers = toUpgradeHeaders(response.rawHeaders);
  for (let index = 0; index < headers.length; index += 2) {
    lines.push(`${headers[index] ?? ""}: ${headers[index + 1] ?? ""}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}
