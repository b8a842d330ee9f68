import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { HpackDecoder } from "../../packages/dataplane/src/http2/hpack-decoder.ts";

export type Field = readonly [name: string, value: string];

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** RFC 9113 §6. */
export const type = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;
/** A whole head, and nothing behind it. */
export const whole = flag.endStream | flag.endHeaders;

/** A frame by hand (RFC 9113 §4.1); `length` may lie. */
export function frame(
  kind: number,
  flags: number,
  stream: number,
  payload: Buffer | string = "",
  length = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head.writeUInt8(kind, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, Buffer.from(payload as string, "latin1")]);
}

export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}

export function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([0, id]), uint32(value)]);
}

/** A number behind a prefix of so many bits (RFC 7541 §5.1). */
export function integer(value: number, prefixBits: number, pattern: number): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.from([pattern | value]);
  const bytes = [pattern | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** Fields without compression (RFC 7541 §6.2.2). */
export function fields(list: readonly Field[]): Buffer {
  return Buffer.concat(
    list.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])),
  );
}

export function text(value: string): Buffer {
  return Buffer.concat([integer(value.length, 7, 0), Buffer.from(value, "latin1")]);
}

export interface Received {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
  /** Of HEADERS. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A client that says what it is told to, frame by frame, and writes down what comes back. */
export class RawHttp2 {
  readonly socket: Socket;
  readonly frames: Received[] = [];
  isClosed = false;
  #rest: Buffer = Buffer.alloc(0);
  readonly #decoder = new HpackDecoder();
  #wake: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket
      .on("data", (chunk: Buffer) => this.#take(chunk))
      .on("error", () => undefined)
      .on("close", () => {
        this.isClosed = true;
        this.#notify();
      });
    onTestFinished(() => void this.socket.destroy());
  }

  /** Says hello as it should be. */
  greet(settings: Buffer = Buffer.alloc(0)): this {
    return this.send(preface, frame(type.settings, 0, 0, settings));
  }

  send(...bytes: readonly Buffer[]): this {
    this.socket.write(Buffer.concat(bytes));
    return this;
  }

  /** Resolves when such a frame has come; undefined when the connection was closed without. */
  async waitFor(isWanted: (frame: Received) => boolean): Promise<Received | undefined> {
    for (;;) {
      const found = this.frames.find(isWanted);
      if (found !== undefined || this.isClosed) return found;
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
      });
    }
  }

  async waitForClose(): Promise<void> {
    await this.waitFor(() => this.isClosed);
  }

  /** How a stream or the connection ended, or what the stream's answer is: whatever comes first. */
  async outcome(stream: number): Promise<string> {
    const ending = await this.waitFor(
      (each) =>
        each.type === type.goAway ||
        (each.stream === stream && (each.type === type.rstStream || each.headers?.[":status"] !== undefined)),
    );
    if (ending === undefined) return "closed";
    if (ending.type === type.goAway) return `goaway ${ending.payload.readUInt32BE(4)}`;
    if (ending.type === type.rstStream) return `reset ${ending.payload.readUInt32BE(0)}`;
    return `status ${ending.headers?.[":status"] ?? ""}`;
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 9 && this.#rest.length >= 9 + this.#rest.readUIntBE(0, 3)) {
      const length = this.#rest.readUIntBE(0, 3);
      const payload = this.#rest.subarray(9, 9 + length);
      const kind = this.#rest.readUInt8(3);
      const received = {
        type: kind,
        flags: this.#rest.readUInt8(4),
        stream: this.#rest.readUInt32BE(5),
        payload,
      };
      this.frames.push(kind === type.headers ? { ...received, headers: this.#decode(payload) } : received);
      this.#rest = this.#rest.subarray(9 + length);
    }
    this.#notify();
  }

  #decode(block: Buffer): Record<string, string> {
    const headers: Record<string, string> = {};
    this.#decoder.decode(block, 0, block.length, { onField: (name, value) => (headers[name] = value) });
    return headers;
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
