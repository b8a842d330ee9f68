import type { Duplex } from "node:stream";
import type { Clock } from "@sluice/core";
import { AbuseGuard } from "./abuse-guard.ts";
import { ConnectionFault, errorCode } from "./error-code.ts";
import { FieldSection } from "./field-section.ts";
import { frameFlag, frameType, maxUint31, preface, readUint31, writeUint32 } from "./frame.ts";
import { FrameReader, type FrameReceiver } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { findFragment, HeaderBlock, priorityBytes } from "./header-block.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { SendQueue } from "./send-queue.ts";
import { PeerSettings, toSettingsPayload, type LocalSettings } from "./settings.ts";
import { Http2Stream, type StreamHandler } from "./stream.ts";

/** Whoever has a connection. */
export interface ConnectionOwner {
  /** The peer asks for something; give `stream` its handler before returning. Only servers hear this. */
  onRequest(stream: Http2Stream, section: FieldSection, isEnd: boolean): void;
  /** The peer has said what it takes, for the first time or anew. */
  onSettings(): void;
  /** The peer takes no more streams on this connection. */
  onGoAway(): void;
  /** There is room for another stream. */
  onStreamClosed(): void;
  /** The connection is no more; all its streams have heard it before. */
  onClosed(): void;
}

export interface ConnectionOptions {
  readonly isServer: boolean;
  readonly local: LocalSettings;
  readonly clock: Clock;
}

/** A longer frame would let one stream keep the others waiting. */
const maxDataFrameBytes = 64 * 1024;
/** Answers to PING and SETTINGS that a peer may leave unread (CVE-2019-9512, CVE-2019-9515). */
const maxUnreadReplies = 1000;
/** Streams that we reset lately: what the peer sent on them before it heard that means nothing. */
const maxRecentResets = 1024;
/** How long a connection that is ended may take to hand out its last bytes. */
const lastBytesMs = 1000;

const prefaceBytes = Buffer.from(preface);
/** What our PING behind a GOAWAY says, so that its answer is known. */
const leavingPing = Buffer.from("leaving!");
const noBytes = Buffer.alloc(0);

/** An HTTP/2 connection on a socket, either side of it (RFC 9113). */
export class Http2Connection implements FrameReceiver {
  readonly socket: Duplex;
  readonly local: LocalSettings;
  readonly peer = new PeerSettings();
  readonly sendQueue: SendQueue;
  readonly #owner: ConnectionOwner;
  readonly #isServer: boolean;
  readonly #clock: Clock;
  readonly #guard: AbuseGuard;
  readonly #writer: FrameWriter;
  readonly #reader = new FrameReader(this);
  readonly #decoder = new HpackDecoder();
  readonly #encoder = new HpackEncoder();
  readonly #streams = new Map<number, Http2Stream>();
  readonly #recentResets = new Set<number>();
  #awaitingFlush = new Set<Http2Stream>();
  /** Streams of ours that we reset. */
  resetCount = 0;
  /** Frames and whole heads that came: what does not grow while something waits has come to a halt. */
  messageCount = 0;
  #block: HeaderBlock | undefined;
  #prefaceLeft: Buffer;
  #receiveWindow = 65_535;
  #creditBytes = 0;
  /** The highest of the peer's streams, and of ours. */
  #lastPeerStream = 0;
  #lastOwnStream: number;
  #unreadReplies = 0;
  /** No stream of the peer's beyond this is served. */
  #lastServed = maxUint31;
  #hasSettings = false;
  #isLeaving = false;
  #isPeerLeaving = false;
  #isClosed = false;

  constructor(socket: Duplex, options: ConnectionOptions, owner: ConnectionOwner) {
    this.socket = socket;
    this.local = options.local;
    this.#owner = owner;
    this.#isServer = options.isServer;
    this.#clock = options.clock;
    this.#guard = new AbuseGuard(options.clock);
    this.#writer = new FrameWriter(socket, () => this.#onFlushed());
    this.sendQueue = new SendQueue(this.#writer);
    this.#prefaceLeft = options.isServer ? prefaceBytes : noBytes;
    this.#lastOwnStream = options.isServer ? 0 : -1;
    this.#greet();
    socket
      .on("data", (chunk: Buffer) => this.#read(chunk))
      .on("drain", () => this.#unblock())
      .on("error", () => this.#end())
      .on("end", () => socket.destroy())
      .on("close", () => this.#end())
      .resume();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Streams that are open now. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** The peer has said what it takes. Before that it may be anything, and has got nothing from us but our greeting. */
  get hasSettings(): boolean {
    return this.#hasSettings;
  }

  /** Whether one more stream can be opened now. */
  get hasRoom(): boolean {
    const canTake = this.#hasSettings && !this.#isPeerLeaving && !this.#isLeaving && !this.#isClosed;
    return (
      canTake && this.#streams.size < this.peer.maxConcurrentStreams && this.#lastOwnStream < maxUint31 - 2
    );
  }

  /** One side of it wants no new streams. */
  get isLeaving(): boolean {
    return this.#isLeaving || this.#isPeerLeaving;
  }

  /** Whether we ever opened a stream on it. */
  get hasOpened(): boolean {
    return this.#lastOwnStream > 0;
  }

  /** Something has begun and is not whole: the greeting, a head, a frame. */
  get isInMessage(): boolean {
    return !this.#hasSettings || this.#block !== undefined || this.#reader.isWaiting;
  }

  get isFlushed(): boolean {
    return this.#writer.isFlushed;
  }

  /** The stream hears when nothing is kept by reference any more. */
  awaitFlush(stream: Http2Stream): void {
    this.#awaitingFlush.add(stream);
    this.#writer.reportFlush();
  }

  get maxDataBytes(): number {
    return Math.min(this.sendQueue.window, this.peer.maxFrameBytes, maxDataFrameBytes);
  }

  /** Opens a stream; ask `hasRoom` before. Undefined for what no request may have: nothing was sent then. */
  request(
    pseudoHeaders: readonly string[],
    headers: readonly string[],
    isEnd: boolean,
    handler: StreamHandler,
  ): Http2Stream | undefined {
    const id = this.#lastOwnStream + 2;
    const isWhole = this.#encode(pseudoHeaders, headers);
    if (!isWhole) {
      this.#encoder.abandon();
      return undefined;
    }
    this.#lastOwnStream = id;
    const stream = this.#addStream(id);
    stream.handler = handler;
    this.#writer.headers(id, this.#encoder.finish(), isEnd, this.peer.maxFrameBytes);
    if (isEnd) stream.markEnded();
    return stream;
  }

  /**
   * Tells the peer to go elsewhere. Streams that run are finished, and so are those that it opened before it heard; then the connection
   * ends (RFC 9113 §6.8).
   */
  leave(): void {
    if (this.#isLeaving || this.#isClosed) return;
    this.#isLeaving = true;
    if (this.#isServer) {
      this.#writeGoAway(maxUint31, errorCode.none);
      this.#writer.frame(frameType.ping, 0, 0, leavingPing);
    } else this.#endWhenDone();
  }

  /** Ends it at once; only what was written before still goes out. */
  destroy(): void {
    if (!this.#isClosed) this.#finish();
  }

  /** Names and values in turn; what no message may have is left out. */
  writeHead(
    stream: number,
    pseudoHeaders: readonly string[],
    headers: readonly string[],
    isEnd: boolean,
  ): void {
    this.#encode(pseudoHeaders, headers);
    this.#writer.headers(stream, this.#encoder.finish(), isEnd, this.peer.maxFrameBytes);
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
    this.#creditBytes += bytes;
    if (2 * this.#creditBytes < this.local.connectionWindowBytes) return;
    this.writeWindowUpdate(0, this.#creditBytes);
    this.#receiveWindow += this.#creditBytes;
    this.#creditBytes = 0;
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

  onFrame(type: number, flags: number, stream: number, bytes: Buffer, from: number, to: number): void {
    if (this.#block !== undefined && type !== frameType.continuation)
      throw protocolFault("a frame inside a header block");
    if (!this.#hasSettings && type !== frameType.settings) throw protocolFault("no SETTINGS at first");
    if (this.#block === undefined) this.messageCount++;
    switch (type) {
      case frameType.headers:
        return this.#onHeaders(flags, stream, bytes, from, to);
      case frameType.continuation:
        return this.#onContinuation(flags, stream, bytes, from, to);
      case frameType.windowUpdate:
        return this.#onWindowUpdate(stream, bytes, from, to);
      case frameType.rstStream:
        return this.#onRstStream(stream, bytes, from, to);
      case frameType.settings:
        return this.#onSettings(flags, stream, bytes, from, to);
      case frameType.ping:
        return this.#onPing(flags, stream, bytes, from, to);
      case frameType.goAway:
        return this.#onGoAway(stream, bytes, from, to);
      case frameType.pushPromise:
        throw protocolFault("PUSH_PROMISE");
      case frameType.priority:
        expectStream(stream);
        expectLength(to - from, priorityBytes);
        return this.#guard.countIdleFrame();
      default:
        return this.#guard.countIdleFrame();
    }
  }

  onDataHead(id: number, length: number, dataBytes: number): void {
    expectStream(id);
    if (this.#block !== undefined) throw protocolFault("DATA inside a header block");
    if (!this.#hasSettings) throw protocolFault("no SETTINGS at first");
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0)
      throw new ConnectionFault(errorCode.flowControl, "more DATA than the window");
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.isRemoteEnded) {
      this.credit(length);
      this.#expectRecent(id, stream);
    } else if (!stream.receiveDataHead(length, dataBytes))
      this.#failStream(stream, errorCode.flowControl, "more DATA than the window");
  }

  onData(id: number, chunk: Buffer, isEnd: boolean): void {
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.isRemoteEnded) return;
    if (chunk.length === 0 && !isEnd) this.#guard.countIdleFrame();
    const flaw = stream.receiveData(chunk.length, isEnd);
    if (flaw !== undefined) this.#failStream(stream, errorCode.protocol, flaw);
    else {
      stream.handler?.onData(chunk, isEnd);
      this.#closeIfDone(stream);
    }
  }

  /** What the peer did ends this stream and no other. */
  #failStream(stream: Http2Stream, code: number, flaw: string): void {
    if (stream.isClosed) return;
    this.resetStream(stream, code);
    stream.handler?.onReset(code, flaw);
    if (this.#isServer) this.#guard.countFutileStream();
  }

  /** Whether every field could be said. */
  #encode(pseudoHeaders: readonly string[], headers: readonly string[]): boolean {
    const encoder = this.#encoder;
    let isWhole = true;
    encoder.begin();
    for (let at = 0; at < pseudoHeaders.length; at += 2)
      isWhole = encoder.field(pseudoHeaders[at] ?? "", pseudoHeaders[at + 1] ?? "") && isWhole;
    for (let at = 0; at < headers.length; at += 2)
      isWhole = encoder.field(headers[at] ?? "", headers[at + 1] ?? "") && isWhole;
    return isWhole;
  }

  #greet(): void {
    const { connectionWindowBytes } = this.local;
    if (!this.#isServer) this.#writer.bytes(prefaceBytes);
    this.#writer.frame(frameType.settings, 0, 0, toSettingsPayload(this.local, this.#isServer));
    this.writeWindowUpdate(0, connectionWindowBytes - this.#receiveWindow);
    this.#receiveWindow = connectionWindowBytes;
  }

  #read(chunk: Buffer): void {
    if (this.#isClosed) return;
    try {
      this.#reader.push(this.#prefaceLeft.length === 0 ? chunk : this.#takePreface(chunk));
    } catch (error) {
      this.#fail(error);
    }
  }

  #takePreface(chunk: Buffer): Buffer {
    const length = Math.min(chunk.length, this.#prefaceLeft.length);
    if (chunk.compare(this.#prefaceLeft, 0, length, 0, length) !== 0) throw protocolFault("not HTTP/2");
    this.#prefaceLeft = this.#prefaceLeft.subarray(length);
    return chunk.subarray(length);
  }

  /** GOAWAY says why, where it still arrives. */
  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#writeGoAway(
      this.#lastPeerStream,
      error instanceof ConnectionFault ? error.code : errorCode.internal,
    );
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
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const stream of this.#streams.values()) {
      this.#forget(stream);
      stream.close();
      stream.handler?.onReset(errorCode.cancel);
    }
    this.#owner.onClosed();
  }

  #unblock(): void {
    this.#writer.unblock();
    this.#unreadReplies = 0;
    this.sendQueue.run();
  }

  #onFlushed(): void {
    const streams = this.#awaitingFlush;
    this.#awaitingFlush = new Set();
    for (const stream of streams) {
      if (this.isFlushed) stream.onFlushed();
      else this.awaitFlush(stream);
    }
  }

  #onHeaders(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    expectStream(id);
    const fragment = findFragment(flags, bytes, from, to);
    const isEnd = (flags & frameFlag.endStream) !== 0;
    if ((flags & frameFlag.endHeaders) !== 0) {
      this.#onBlock(id, isEnd, bytes, fragment.from, fragment.to);
      return;
    }
    this.#block = new HeaderBlock(id, isEnd);
    this.#block.add(bytes, fragment.from, fragment.to, this.#maxBlockBytes);
  }

  #onContinuation(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const block = this.#block;
    if (block === undefined || block.stream !== id) throw protocolFault("CONTINUATION of nothing");
    block.add(bytes, from, to, this.#maxBlockBytes);
    if ((flags & frameFlag.endHeaders) === 0) return;
    this.#block = undefined;
    const whole = block.bytes;
    this.#onBlock(id, block.isEnd, whole, 0, whole.length);
  }

  /** A head that is too large is still read to its end, as long as it ends: those behind it depend on it. */
  get #maxBlockBytes(): number {
    return 2 * this.local.maxHeaderListBytes + 65_536;
  }

  #onBlock(id: number, isEnd: boolean, bytes: Buffer, from: number, to: number): void {
    const stream = this.#streams.get(id);
    const isRequest = this.#isServer && stream === undefined && id > this.#lastPeerStream;
    const kind = isRequest ? "request" : stream?.hasHead === false ? "response" : "trailers";
    const section = new FieldSection(kind, this.local.maxHeaderListBytes);
    this.#decoder.decode(bytes, from, to, section);
    section.finish();
    if (isRequest) this.#onRequest(id, section, isEnd);
    else if (stream === undefined || stream.isRemoteEnded) this.#expectRecent(id, stream);
    else if (kind === "response") this.#onResponse(stream, section, isEnd);
    else this.#onTrailers(stream, section, isEnd);
  }

  #onRequest(id: number, section: FieldSection, isEnd: boolean): void {
    if (id % 2 === 0) throw protocolFault("a stream with a server's number");
    this.#lastPeerStream = id;
    if (this.#streams.size >= this.local.maxConcurrentStreams || id > this.#lastServed) {
      this.#refuse(id, errorCode.refusedStream);
      return;
    }
    const stream = this.#addStream(id);
    const flaw = section.flaw ?? stream.receiveHead(section, isEnd);
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

  #onResponse(stream: Http2Stream, section: FieldSection, isEnd: boolean): void {
    const tooLarge = section.isTooLarge ? "larger headers than allowed" : undefined;
    const flaw = section.flaw ?? tooLarge ?? stream.receiveHead(section, isEnd);
    if (flaw !== undefined) {
      this.#failStream(stream, errorCode.protocol, flaw);
      return;
    }
    stream.handler?.onHead(section, isEnd);
    this.#closeIfDone(stream);
  }

  #onTrailers(stream: Http2Stream, section: FieldSection, isEnd: boolean): void {
    const notLast = isEnd ? undefined : "headers in the middle of a body";
    const tooLarge = section.isTooLarge ? "larger trailers than allowed" : undefined;
    const flaw = section.flaw ?? notLast ?? tooLarge ?? stream.receiveEnd();
    if (flaw !== undefined) {
      this.#failStream(stream, errorCode.protocol, flaw);
      return;
    }
    stream.handler?.onTrailers(section.headers);
    this.#closeIfDone(stream);
  }

  #onRstStream(id: number, bytes: Buffer, from: number, to: number): void {
    expectStream(id);
    expectLength(to - from, 4);
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.#expectKnown(id);
      this.#guard.countIdleFrame();
      return;
    }
    this.#forget(stream);
    this.credit(stream.close());
    stream.handler?.onReset(readUint31(bytes, from));
    this.#owner.onStreamClosed();
    if (this.#isServer) this.#guard.countFutileStream();
    this.#endWhenDone();
  }

  #onWindowUpdate(id: number, bytes: Buffer, from: number, to: number): void {
    expectLength(to - from, 4);
    const increment = readUint31(bytes, from);
    if (id === 0) {
      if (increment === 0) throw protocolFault("WINDOW_UPDATE of nothing");
      if (!this.sendQueue.widen(increment))
        throw new ConnectionFault(errorCode.flowControl, "window overflow");
      this.sendQueue.run();
      return;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) this.#expectKnown(id);
    else if (increment === 0) this.#failStream(stream, errorCode.protocol, "WINDOW_UPDATE of nothing");
    else if (!stream.widen(increment)) this.#failStream(stream, errorCode.flowControl, "window overflow");
  }

  #onSettings(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) throw protocolFault("SETTINGS on a stream");
    this.#guard.countIdleFrame();
    if ((flags & frameFlag.ack) !== 0) {
      expectLength(to - from, 0);
      if (!this.#hasSettings) throw protocolFault("no SETTINGS at first");
      return;
    }
    const before = this.peer.initialWindowBytes;
    this.peer.apply(bytes, from, to);
    this.#encoder.resize(this.peer.headerTableBytes);
    this.#reply(frameType.settings, noBytes);
    this.#hasSettings = true;
    const change = this.peer.initialWindowBytes - before;
    for (const stream of change === 0 ? [] : this.#streams.values()) {
      if (!stream.widen(change)) throw new ConnectionFault(errorCode.flowControl, "window overflow");
    }
    this.#owner.onSettings();
  }

  #onPing(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) throw protocolFault("PING on a stream");
    expectLength(to - from, 8);
    this.#guard.countIdleFrame();
    const payload = bytes.subarray(from, to);
    if ((flags & frameFlag.ack) === 0) this.#reply(frameType.ping, payload);
    else if (this.#isLeaving && payload.equals(leavingPing)) this.#leaveFinally();
  }

  /** The peer has heard that we leave: what it opened before has arrived. */
  #leaveFinally(): void {
    this.#lastServed = this.#lastPeerStream;
    this.#writeGoAway(this.#lastServed, errorCode.none);
    this.#endWhenDone();
  }

  #onGoAway(id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) throw protocolFault("GOAWAY on a stream");
    if (to - from < 8) throw new ConnectionFault(errorCode.frameSize, "GOAWAY cut short");
    this.#guard.countIdleFrame();
    const last = readUint31(bytes, from);
    this.#isPeerLeaving = true;
    this.#owner.onGoAway();
    for (const stream of this.#isServer ? [] : this.#streams.values()) {
      // Nothing of it was processed: it may be sent again (RFC 9113 §6.8).
      if (stream.id > last) this.#dropUnserved(stream);
    }
    this.#endWhenDone();
  }

  #dropUnserved(stream: Http2Stream): void {
    this.#forget(stream);
    this.credit(stream.close());
    stream.handler?.onReset(errorCode.refusedStream);
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
    this.#recentResets.add(id);
    if (this.#recentResets.size <= maxRecentResets) return;
    for (const oldest of this.#recentResets) {
      this.#recentResets.delete(oldest);
      return;
    }
  }

  #addStream(id: number): Http2Stream {
    const stream = new Http2Stream(id, this, this.peer.initialWindowBytes, this.local.streamWindowBytes);
    this.#streams.set(id, stream);
    return stream;
  }

  #closeIfDone(stream: Http2Stream): void {
    if (stream.isRemoteEnded && stream.isLocalEnded && !stream.isClosed) this.#close(stream);
  }

  #close(stream: Http2Stream): void {
    this.#forget(stream);
    this.credit(stream.close());
    if (stream.isLocalEnded) this.#guard.countUsefulStream();
    this.#owner.onStreamClosed();
    this.#endWhenDone();
  }

  #forget(stream: Http2Stream): void {
    this.#streams.delete(stream.id);
    this.sendQueue.remove(stream);
    if (this.#streams.size === 0) this.#writer.dropPage();
  }

  /** A side that leaves ends the connection with its last stream; the last word is what the streams said. */
  #endWhenDone(): void {
    if (this.#streams.size > 0 || this.#isClosed) return;
    const isServerDone = this.#isServer && this.#lastServed !== maxUint31;
    const isClientDone = !this.#isServer && (this.#isLeaving || this.#isPeerLeaving);
    if (isServerDone || isClientDone) this.#finish();
  }

  /** A frame for a stream that has ended is no harm only when its sender could not know (RFC 9113 §5.1). */
  #expectRecent(id: number, stream: Http2Stream | undefined): void {
    this.#expectKnown(id);
    if (stream === undefined && this.#recentResets.has(id)) return;
    throw new ConnectionFault(errorCode.streamClosed, "a frame behind the end of its stream");
  }

  #expectKnown(id: number): void {
    const isOwn = (id % 2 === 0) === this.#isServer;
    if (id > (isOwn ? this.#lastOwnStream : this.#lastPeerStream))
      throw protocolFault("a stream that is none yet");
  }
}

function expectStream(id: number): void {
  if (id === 0) throw protocolFault("a stream's frame on the connection");
}

function expectLength(length: number, expected: number): void {
  if (length !== expected) throw new ConnectionFault(errorCode.frameSize, "frame of a wrong length");
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new TypeError(String(error));
}

function protocolFault(message: string): ConnectionFault {
  return new ConnectionFault(errorCode.protocol, message);
}
