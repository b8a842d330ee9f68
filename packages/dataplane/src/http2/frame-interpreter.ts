import { ConnectionFault, errorCode } from "./error-code.ts";
import { frameFlag, frameType, readUint31 } from "./frame.ts";
import { FrameReader, type FrameReceiver } from "./frame-reader.ts";
import { findFragment, HeaderBlock, priorityBytes } from "./header-block.ts";

/** Hears what frames say, once they are well-formed and in an order that may be. Throws a `ConnectionFault` for what may not go on. */
export interface FrameListener {
  /** Nothing more is wanted. */
  readonly isClosed: boolean;
  /** A whole header block. */
  onHeaders(stream: number, isEnd: boolean, bytes: Buffer, from: number, to: number): void;
  /** A DATA frame begins. `length` counts against the windows; `dataBytes` of it are no padding and follow. */
  onDataHead(stream: number, length: number, dataBytes: number): void;
  onData(stream: number, chunk: Buffer, isEnd: boolean): void;
  onReset(stream: number, code: number): void;
  onSettings(bytes: Buffer, from: number, to: number): void;
  onPing(payload: Buffer, isAnswer: boolean): void;
  onGoAway(lastStream: number): void;
  /** Stream 0 is the connection. */
  onWindow(stream: number, increment: number): void;
  /** A frame that means nothing here: PRIORITY, an acknowledgement, an unknown type. */
  onIdleFrame(): void;
}

/** Reads a connection's bytes as frames, and checks of each what can be checked without knowing any stream (RFC 9113 §4, §6). */
export class FrameInterpreter implements FrameReceiver {
  /** Frames and whole heads that came: what does not grow while something waits has come to a halt. */
  messageCount = 0;
  /** The peer has said its settings, which come first. */
  hasSettings = false;
  readonly #listener: FrameListener;
  readonly #maxBlockBytes: number;
  readonly #reader = new FrameReader(this);
  #block: HeaderBlock | undefined;

  /** `maxBlockBytes`: of a head, compressed. One that is too large is still read to its end: those behind it depend on it. */
  constructor(listener: FrameListener, maxBlockBytes: number) {
    this.#listener = listener;
    this.#maxBlockBytes = maxBlockBytes;
  }

  get isClosed(): boolean {
    return this.#listener.isClosed;
  }

  /** Something has begun and is not whole: the greeting, a head, a frame. */
  get isInMessage(): boolean {
    return !this.hasSettings || this.#block !== undefined || this.#reader.isWaiting;
  }

  push(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  onDataHead(stream: number, length: number, dataBytes: number): void {
    this.#expectOrder(frameType.data);
    expectStream(stream);
    this.#listener.onDataHead(stream, length, dataBytes);
  }

  onData(stream: number, chunk: Buffer, isEnd: boolean): void {
    this.#listener.onData(stream, chunk, isEnd);
  }

  onFrame(type: number, flags: number, stream: number, bytes: Buffer, from: number, to: number): void {
    this.#expectOrder(type);
    switch (type) {
      case frameType.headers:
        return this.#onHeaders(flags, stream, bytes, from, to);
      case frameType.continuation:
        return this.#onContinuation(flags, stream, bytes, from, to);
      case frameType.windowUpdate:
        expectLength(to - from, 4);
        return this.#listener.onWindow(stream, readUint31(bytes, from));
      case frameType.rstStream:
        expectStream(stream);
        expectLength(to - from, 4);
        return this.#listener.onReset(stream, readUint31(bytes, from));
      case frameType.settings:
        return this.#onSettings(flags, stream, bytes, from, to);
      case frameType.ping:
        expectConnection(stream);
        expectLength(to - from, 8);
        return this.#listener.onPing(bytes.subarray(from, to), (flags & frameFlag.ack) !== 0);
      case frameType.goAway:
        expectConnection(stream);
        if (to - from < 8) throw new ConnectionFault(errorCode.frameSize, "GOAWAY cut short");
        return this.#listener.onGoAway(readUint31(bytes, from));
      case frameType.priority:
        expectStream(stream);
        expectLength(to - from, priorityBytes);
        return this.#listener.onIdleFrame();
      case frameType.pushPromise:
        throw protocolFault("PUSH_PROMISE");
      default:
        return this.#listener.onIdleFrame();
    }
  }

  /** SETTINGS come first (§3.4), and nothing comes between the frames of a head (§6.10). */
  #expectOrder(type: number): void {
    if (!this.hasSettings && type !== frameType.settings) throw protocolFault("no SETTINGS at first");
    if (this.#block === undefined) this.messageCount++;
    else if (type !== frameType.continuation) throw protocolFault("a frame inside a header block");
  }

  #onHeaders(flags: number, stream: number, bytes: Buffer, from: number, to: number): void {
    expectStream(stream);
    const fragment = findFragment(flags, bytes, from, to);
    const isEnd = (flags & frameFlag.endStream) !== 0;
    if ((flags & frameFlag.endHeaders) !== 0) {
      this.#listener.onHeaders(stream, isEnd, bytes, fragment.from, fragment.to);
      return;
    }
    this.#block = new HeaderBlock(stream, isEnd);
    this.#block.add(bytes, fragment.from, fragment.to, this.#maxBlockBytes);
  }

  #onContinuation(flags: number, stream: number, bytes: Buffer, from: number, to: number): void {
    const block = this.#block;
    if (block === undefined || block.stream !== stream) throw protocolFault("CONTINUATION of nothing");
    block.add(bytes, from, to, this.#maxBlockBytes);
    if ((flags & frameFlag.endHeaders) === 0) return;
    this.#block = undefined;
    const whole = block.bytes;
    this.#listener.onHeaders(stream, block.isEnd, whole, 0, whole.length);
  }

  #onSettings(flags: number, stream: number, bytes: Buffer, from: number, to: number): void {
    expectConnection(stream);
    if ((flags & frameFlag.ack) === 0) {
      this.hasSettings = true;
      this.#listener.onSettings(bytes, from, to);
      return;
    }
    expectLength(to - from, 0);
    if (!this.hasSettings) throw protocolFault("no SETTINGS at first");
    this.#listener.onIdleFrame();
  }
}

function expectStream(stream: number): void {
  if (stream === 0) throw protocolFault("a stream's frame on the connection");
}

function expectConnection(stream: number): void {
  if (stream !== 0) throw protocolFault("the connection's frame on a stream");
}

function expectLength(length: number, expected: number): void {
  if (length !== expected) throw new ConnectionFault(errorCode.frameSize, "frame of a wrong length");
}

function protocolFault(message: string): ConnectionFault {
  return new ConnectionFault(errorCode.protocol, message);
}
