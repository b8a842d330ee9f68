import type { Duplex } from "node:stream";
import type { Clock } from "@sluice/core";
import { AbuseGuard } from "./abuse-guard.ts";
import { ConnectionFault, errorCode } from "./error-code.ts";
import { FieldSection } from "./field-section.ts";
import { frameFlag, frameType, maxUint31, preface, writeUint32 } from "./frame.ts";
import { FrameInterpreter, type FrameListener } from "./frame-interpreter.ts";
import { flushWaiting, FrameWriter } from "./frame-writer.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { SendQueue } from "./send-queue.ts";
import { PeerSettings, toSettingsPayload, type LocalSettings } from "./settings.ts";
import { StreamTable } from "./stream-table.ts";
import { Http2Stream, type StreamHandler } from "./stream.ts";

/** Whoever has a connection. */
export interface ConnectionOwner {
  /** The peer asks for something; give `stream` its handler before returning. Only servers hear this. */
  onRequest(stream: Http2Stream, section: FieldSection, isEnd: boolean): void;
  /** The peer has said what it takes, for the first time or anew. */
  onSettings(): void;
  /** A stream has ended: there is room for another. */
  onStreamClosed(): void;
  /** The connection is no more; all its streams have heard it before. */
  onClosed(): void;
}

export interface ConnectionOptions {
  readonly isServer: boolean;
  readonly local: LocalSettings;
  readonly clock: Clock;
}

/** What a request says in its head. */
export interface RequestFields {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  /** Names and values in turn; a `Host` among them is not sent, as the authority says it. */
  readonly headers: readonly string[];
  /** The value of `Trailer`, when there is one. */
  readonly trailer: string | undefined;
}

/** The window that everybody starts with (RFC 9113 §6.9.2). */
const initialWindowBytes = 65_535;
/** A longer frame would let one stream keep the others waiting. */
const maxDataFrameBytes = 64 * 1024;
/** Answers to PING and SETTINGS that a peer may leave unread (CVE-2019-9512, CVE-2019-9515). */
const maxUnreadReplies = 1000;
/** How long a connection that is ended may take to hand out its last bytes. */
const lastBytesMs = 1000;

/** Answers that a client may leave unread while it asks for more: heads are not held back by any window. */
const maxUnreadBytes = 16 * 1024 * 1024;

const prefaceBytes = Buffer.from(preface);
/** What our PING behind a GOAWAY says, so that its answer is known. */
const leavingPing = Buffer.from("leaving!");
const lifePing = Buffer.from("alive?!?");
const noBytes = Buffer.alloc(0);

/** An HTTP/2 connection on a socket, either side of it (RFC 9113). */
export class Http2Connection implements FrameListener {
  readonly socket: Duplex;
  readonly local: LocalSettings;
  readonly peer = new PeerSettings();
  readonly sendQueue: SendQueue;
  isClosed = false;
  /** Streams that we reset. */
  resetCount = 0;
  readonly #owner: ConnectionOwner;
  readonly #isServer: boolean;
  readonly #clock: Clock;
  readonly #guard: AbuseGuard;
  readonly #writer: FrameWriter;
  readonly #frames: FrameInterpreter;
  readonly #decoder = new HpackDecoder();
  readonly #encoder = new HpackEncoder();
  readonly #streams: StreamTable<Http2Stream>;
  readonly #receiveWindow: ReceiveWindow;
  #awaitingFlush: Http2Stream[] = [];
  /** Who got some of what is being taken; only where its memory is used again. */
  #receivers: StreamHandler[] | undefined;
  #prefaceLeft: Buffer;
  #unreadReplies = 0;
  /** No stream of the peer's beyond this is served. */
  #lastServed = maxUint31;
  #isLeaving = false;
  #isPeerLeaving = false;

  constructor(socket: Duplex, { isServer, local, clock }: ConnectionOptions, owner: ConnectionOwner) {
    this.socket = socket;
    this.local = local;
    this.#owner = owner;
    this.#isServer = isServer;
    this.#clock = clock;
    this.#guard = new AbuseGuard(clock);
    this.#writer = new FrameWriter(socket, () => this.#onFlushed());
    this.#frames = new FrameInterpreter(this, 2 * local.maxHeaderListBytes + 65_536);
    this.#streams = new StreamTable(isServer);
    this.#receiveWindow = new ReceiveWindow(local.connectionWindowBytes);
    this.sendQueue = new SendQueue(this.#writer);
    this.#prefaceLeft = isServer ? prefaceBytes : noBytes;
    this.#greet();
    socket
      .on("data", (chunk: Buffer) => this.#read(chunk))
      .on("drain", () => this.#unblock())
      .on("error", () => this.#end())
      .on("end", () => socket.destroy())
      .on("close", () => this.#end())
      .resume();
  }

  /** Streams that are open now. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** One side of it wants no new streams. */
  get isLeaving(): boolean {
    return this.#isLeaving || this.#isPeerLeaving;
  }

  /** Whether we ever opened a stream on it. */
  get hasOpened(): boolean {
    return this.#streams.hasOpenedOwn;
  }

  /**
   * Whether one more stream can be opened now. Before the peer has said its settings it may be anything, and gets nothing from us but our
   * greeting.
   */
  get hasRoom(): boolean {
    const isOpen = this.#frames.hasSettings && !this.isLeaving && !this.isClosed;
    return isOpen && this.#streams.size < this.peer.maxConcurrentStreams && this.#streams.hasOwnLeft;
  }

  /** Something has begun and is not whole: the greeting, a head, a frame. */
  get isInMessage(): boolean {
    return this.#frames.isInMessage;
  }

  /** What does not grow while something is not whole has come to a halt. */
  get messageCount(): number {
    return this.#frames.messageCount;
  }

  get isFlushed(): boolean {
    return this.#writer.isFlushed;
  }

  get maxDataBytes(): number {
    return Math.min(this.sendQueue.window, this.peer.maxFrameBytes, maxDataFrameBytes);
  }

  /** Opens a stream; ask `hasRoom` before. Undefined for what no request may have: nothing was sent then. */
  request(fields: RequestFields, isEnd: boolean, handler: StreamHandler): Http2Stream | undefined {
    if (!this.#encodeRequest(fields)) {
      this.#encoder.abandon();
      return undefined;
    }
    const stream = this.#addStream(this.#streams.nextOwn());
    stream.handler = handler;
    this.#writer.headers(stream.id, this.#encoder.finish(), isEnd, this.peer.maxFrameBytes);
    if (isEnd) stream.markEnded();
    return stream;
  }

  /**
   * Tells the peer to go elsewhere. Streams that run are finished, and so are those that it opened before it heard; then the connection
   * ends (RFC 9113 §6.8).
   */
  leave(): void {
    if (this.#isLeaving || this.isClosed) return;
    this.#isLeaving = true;
    if (this.#isServer) {
      this.#writeGoAway(maxUint31, errorCode.none);
      this.#writer.frame(frameType.ping, 0, 0, leavingPing);
    } else this.#endWhenDone();
  }

  /** Asks for a sign of life, which counts as a message when it comes. */
  ping(): void {
    this.#writer.frame(frameType.ping, 0, 0, lifePing);
  }

  /** Gives up answers that are whole and that the peer has not taken any of since this was last asked. */
  dropStalled(): void {
    for (const stream of this.#streams.values())
      if (stream.isStalled()) this.resetStream(stream, errorCode.cancel);
  }

  /** Ends it at once; only what was written before still goes out. */
  destroy(): void {
    if (!this.isClosed) this.#finish();
  }

  /** Names and values in turn; what no message may have is left out. */
  writeHead(
    stream: number,
    pseudoHeaders: readonly string[],
    headers: readonly string[],
    isEnd: boolean,
  ): void {
    const encoder = this.#encoder;
    encoder.begin();
    for (let at = 0; at < pseudoHeaders.length; at += 2)
      encoder.field(pseudoHeaders[at] ?? "", pseudoHeaders[at + 1] ?? "");
    for (let at = 0; at < headers.length; at += 2) encoder.field(headers[at] ?? "", headers[at + 1] ?? "");
    this.#writer.headers(stream, encoder.finish(), isEnd, this.peer.maxFrameBytes);
  }

  writeData(stream: number, chunk: Uint8Array, from: number, to: number, isEnd: boolean): void {
    this.sendQueue.window -= to - from;
    this.#writer.data(stream, chunk, from, to, isEnd);
  }

  writeWindowUpdate(stream: number, bytes: number): void {
    this.#writer.numberFrame(frameType.windowUpdate, stream, bytes);
  }

  /** So many bytes of DATA are not held any more. */
  credit(bytes: number): void {
    const increment = this.#receiveWindow.give(bytes);
    if (increment > 0) this.writeWindowUpdate(0, increment);
  }

  /** The stream hears when nothing is kept by reference any more. */
  awaitFlush(stream: Http2Stream): void {
    this.#awaitingFlush.push(stream);
    this.#writer.reportFlush();
  }

  /** Everything of ours was written on the stream. */
  onLocalEnd(stream: Http2Stream): void {
    // A server that has answered wants no more of the request (RFC 9113 §8.1).
    if (stream.isRemoteEnded) this.#close(stream);
    else if (this.#isServer) this.resetStream(stream, errorCode.none);
  }

  resetStream(stream: Http2Stream, code: number): void {
    if (stream.isClosed) return;
    this.resetCount++;
    this.#writeReset(stream.id, code);
    this.#close(stream);
  }

  onDataHead(id: number, length: number, dataBytes: number): void {
    if (!this.#receiveWindow.take(length))
      throw new ConnectionFault(errorCode.flowControl, "more DATA than the window");
    const stream = this.#findReceiving(id);
    if (stream === undefined) this.credit(length);
    else if (!stream.receiveDataHead(length, dataBytes))
      this.#failStream(stream, errorCode.flowControl, "more DATA than the window");
  }

  onData(id: number, chunk: Buffer, isEnd: boolean): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    if (chunk.length === 0 && !isEnd) this.#guard.countIdleFrame();
    const flaw = stream.receiveData(chunk.length, isEnd);
    if (flaw !== undefined) this.#failStream(stream, errorCode.protocol, flaw);
    else {
      const { handler } = stream;
      handler?.onData(chunk, isEnd);
      if (chunk.length > 0 && handler !== undefined) this.#receivers?.push(handler);
      this.#closeIfDone(stream);
    }
  }

  /** Every block is decoded, also one that nobody wants: those behind it depend on it. */
  onHeaders(id: number, isEnd: boolean, bytes: Buffer, from: number, to: number): void {
    const known = this.#streams.get(id);
    const isRequest = this.#isServer && known === undefined && id > this.#streams.lastPeer;
    const kind = isRequest ? "request" : known?.hasHead === false ? "response" : "trailers";
    const section = new FieldSection(kind, known?.headBytesLeft ?? this.local.maxHeaderListBytes);
    this.#decoder.decode(bytes, from, to, section);
    section.finish();
    if (isRequest) {
      this.#onRequest(id, section, isEnd);
      return;
    }
    const stream = this.#findReceiving(id);
    if (stream === undefined) return;
    const flaw =
      kind === "response" ? stream.receiveHead(section, isEnd) : stream.receiveTrailers(section, isEnd);
    if (flaw !== undefined) this.#failStream(stream, errorCode.protocol, flaw);
    else {
      if (kind === "response") stream.handler?.onHead(section, isEnd);
      else stream.handler?.onTrailers(section.headers);
      this.#closeIfDone(stream);
    }
  }

  onReset(id: number, code: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.#streams.expectKnown(id);
      this.#guard.countIdleFrame();
      return;
    }
    this.#drop(stream, code);
    this.#owner.onStreamClosed();
    if (this.#isServer) this.#guard.countFutileStream();
    this.#endWhenDone();
  }

  onWindow(id: number, increment: number): void {
    if (id === 0) {
      if (increment === 0) throw new ConnectionFault(errorCode.protocol, "WINDOW_UPDATE of nothing");
      if (!this.sendQueue.widen(increment))
        throw new ConnectionFault(errorCode.flowControl, "window overflow");
      this.sendQueue.run();
      return;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) this.#streams.expectKnown(id);
    else if (increment === 0) this.#failStream(stream, errorCode.protocol, "WINDOW_UPDATE of nothing");
    else if (!stream.widen(increment)) this.#failStream(stream, errorCode.flowControl, "window overflow");
  }

  onSettings(bytes: Buffer, from: number, to: number): void {
    this.#guard.countIdleFrame();
    const before = this.peer.initialWindowBytes;
    this.peer.apply(bytes, from, to);
    this.#encoder.resize(this.peer.headerTableBytes);
    this.#reply(frameType.settings, noBytes);
    const change = this.peer.initialWindowBytes - before;
    for (const stream of change === 0 ? [] : this.#streams.values()) {
      if (!stream.widen(change)) throw new ConnectionFault(errorCode.flowControl, "window overflow");
    }
    this.#owner.onSettings();
  }

  onPing(payload: Buffer, isAnswer: boolean): void {
    this.#guard.countIdleFrame();
    if (!isAnswer) this.#reply(frameType.ping, payload);
    else if (this.#isLeaving && payload.equals(leavingPing)) this.#leaveFinally();
  }

  onGoAway(lastStream: number): void {
    this.#guard.countIdleFrame();
    this.#isPeerLeaving = true;
    for (const stream of this.#isServer ? [] : this.#streams.values()) {
      // Nothing of it was processed: it may be sent again (RFC 9113 §6.8).
      if (stream.id > lastStream) this.#drop(stream, errorCode.refusedStream);
    }
    this.#endWhenDone();
  }

  onIdleFrame(): void {
    this.#guard.countIdleFrame();
  }

  #greet(): void {
    if (!this.#isServer) this.#writer.bytes(prefaceBytes);
    this.#writer.frame(frameType.settings, 0, 0, toSettingsPayload(this.local, this.#isServer));
    this.writeWindowUpdate(0, this.local.connectionWindowBytes - initialWindowBytes);
  }

  /** Takes what came. False when some of it is kept, so that its memory may not be read into again. */
  receive(chunk: Buffer): boolean {
    this.#receivers = [];
    this.#read(chunk);
    const receivers = this.#receivers;
    this.#receivers = undefined;
    if (!receivers.some(({ isHolding }) => isHolding)) return true;
    // Most of it only waits for the end of the turn.
    flushWaiting();
    return !receivers.some(({ isHolding }) => isHolding);
  }

  #read(chunk: Buffer): void {
    if (this.isClosed) return;
    try {
      this.#frames.push(this.#prefaceLeft.length === 0 ? chunk : this.#takePreface(chunk));
    } catch (error) {
      this.#fail(error);
    }
  }

  #takePreface(chunk: Buffer): Buffer {
    const length = Math.min(chunk.length, this.#prefaceLeft.length);
    if (chunk.compare(this.#prefaceLeft, 0, length, 0, length) !== 0)
      throw new ConnectionFault(errorCode.protocol, "not HTTP/2");
    this.#prefaceLeft = this.#prefaceLeft.subarray(length);
    return chunk.subarray(length);
  }

  /** GOAWAY says why, where it still arrives. */
  #fail(error: unknown): void {
    if (this.isClosed) return;
    const code = error instanceof ConnectionFault ? error.code : errorCode.internal;
    this.#writeGoAway(this.#streams.lastPeer, code);
    this.#finish();
    // A mistake of ours: it costs this connection, not the process.
    if (!(error instanceof ConnectionFault)) process.emitWarning(toError(error));
  }

  /** Ends it once what was written is out. */
  #finish(): void {
    this.#writer.flush();
    this.#end();
    this.socket.end(() => this.socket.destroy());
    this.#clock.setTimer(() => this.socket.destroy(), lastBytesMs);
  }

  #end(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const stream of this.#streams.values()) this.#drop(stream, errorCode.cancel);
    this.#owner.onClosed();
  }

  #unblock(): void {
    this.#writer.unblock();
    this.#unreadReplies = 0;
    this.sendQueue.run();
  }

  #onFlushed(): void {
    const streams = this.#awaitingFlush;
    this.#awaitingFlush = [];
    for (const stream of streams) {
      if (this.isFlushed) stream.onFlushed();
      else this.awaitFlush(stream);
    }
  }

  #onRequest(id: number, section: FieldSection, isEnd: boolean): void {
    if (this.#writer.isBlocked && this.socket.writableLength > maxUnreadBytes)
      throw new ConnectionFault(errorCode.enhanceYourCalm, "answers are not read");
    if (id % 2 === 0) throw new ConnectionFault(errorCode.protocol, "a stream with a server's number");
    this.#streams.lastPeer = id;
    if (this.#streams.size >= this.local.maxConcurrentStreams || id > this.#lastServed) {
      this.#refuse(id, errorCode.refusedStream);
      return;
    }
    const stream = this.#addStream(id);
    const flaw = stream.receiveHead(section, isEnd);
    if (flaw === undefined) {
      this.#owner.onRequest(stream, section, isEnd);
      return;
    }
    this.#forget(stream);
    this.#refuse(id, errorCode.protocol);
  }

  /** A stream that nobody heard of. */
  #refuse(id: number, code: number): void {
    this.#writeReset(id, code);
    this.#guard.countFutileStream();
  }

  /** The open stream that a frame with content is for; undefined where it may be dropped. */
  #findReceiving(id: number): Http2Stream | undefined {
    const stream = this.#streams.get(id);
    if (stream !== undefined && !stream.isRemoteEnded) return stream;
    this.#streams.expectRecent(id);
    return undefined;
  }

  /** What the peer did ends this stream and no other. */
  #failStream(stream: Http2Stream, code: number, flaw: string): void {
    this.resetStream(stream, code);
    stream.handler?.onReset(code, flaw);
    if (this.#isServer) this.#guard.countFutileStream();
  }

  /** The peer has heard that we leave: what it opened before has arrived. */
  #leaveFinally(): void {
    this.#lastServed = this.#streams.lastPeer;
    this.#writeGoAway(this.#lastServed, errorCode.none);
    this.#endWhenDone();
  }

  /** Whether every field could be said. */
  #encodeRequest({ method, path, authority, headers, trailer }: RequestFields): boolean {
    const encoder = this.#encoder;
    encoder.begin();
    let isWhole =
      encoder.field(":method", method) && encoder.field(":scheme", "http") && encoder.field(":path", path);
    isWhole = encoder.field(":authority", authority) && isWhole;
    for (let at = 0; at < headers.length; at += 2) {
      const name = headers[at] ?? "";
      if (name.length === 4 && name.toLowerCase() === "host") continue;
      isWhole = encoder.field(name, headers[at + 1] ?? "") && isWhole;
    }
    return (trailer === undefined || encoder.field("trailer", trailer)) && isWhole;
  }

  #reply(type: number, payload: Uint8Array): void {
    if (this.#writer.isBlocked && ++this.#unreadReplies > maxUnreadReplies)
      throw new ConnectionFault(errorCode.enhanceYourCalm, "replies are not read");
    this.#writer.frame(type, frameFlag.ack, 0, payload);
  }

  #writeGoAway(last: number, code: number): void {
    const payload = Buffer.alloc(8);
    writeUint32(payload, 0, last);
    writeUint32(payload, 4, code);
    this.#writer.frame(frameType.goAway, 0, 0, payload);
  }

  #writeReset(id: number, code: number): void {
    this.#writer.numberFrame(frameType.rstStream, id, code);
    this.#streams.noteReset(id);
  }

  #addStream(id: number): Http2Stream {
    const stream = new Http2Stream(id, this, this.peer.initialWindowBytes);
    this.#streams.add(stream);
    this.#writer.isIdle = false;
    return stream;
  }

  #closeIfDone(stream: Http2Stream): void {
    if (stream.isRemoteEnded && stream.isLocalEnded && !stream.isClosed) this.#close(stream);
  }

  #close(stream: Http2Stream): void {
    this.#forget(stream);
    if (stream.isLocalEnded) this.#guard.countUsefulStream();
    this.#owner.onStreamClosed();
    this.#endWhenDone();
  }

  /** It ended without our doing. */
  #drop(stream: Http2Stream, code: number): void {
    this.#forget(stream);
    stream.handler?.onReset(code);
  }

  #forget(stream: Http2Stream): void {
    this.#streams.delete(stream);
    this.sendQueue.remove(stream);
    this.credit(stream.close());
    this.#writer.isIdle = this.#streams.size === 0;
  }

  /** A side that leaves ends the connection with its last stream. */
  #endWhenDone(): void {
    if (this.#streams.size > 0 || this.isClosed) return;
    const isDone = this.#isServer ? this.#lastServed !== maxUint31 : this.isLeaving;
    if (isDone) this.#finish();
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new TypeError(String(error));
}
