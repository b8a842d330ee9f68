import { fieldOverhead } from "./header-table.ts";
import type { FieldSink } from "./hpack-decoder.ts";

export type SectionKind = "request" | "response" | "trailers";

type PseudoHeader = "method" | "scheme" | "path" | "authority" | "status";

const pseudoHeaders: Readonly<Record<SectionKind, ReadonlyMap<string, PseudoHeader>>> = {
  request: new Map([
    [":method", "method"],
    [":scheme", "scheme"],
    [":path", "path"],
    [":authority", "authority"],
  ]),
  response: new Map([[":status", "status"]]),
  trailers: new Map(),
};

/** Names that ask for a closer look; the others are taken as they are. */
const lookedAt = new Map<string, "connection" | "te" | "length">([
  // About one HTTP/1.1 connection (RFC 9113 §8.2.2).
  ["connection", "connection"],
  ["keep-alive", "connection"],
  ["proxy-connection", "connection"],
  ["transfer-encoding", "connection"],
  ["upgrade", "connection"],
  ["te", "te"],
  ["content-length", "length"],
]);

const methodPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const pathPattern = /^\/[\x21-\x7e\x80-\xff]*$/;
const statusPattern = /^[1-9][0-9][0-9]$/;
/** As many digits as a number holds exactly. */
const lengthPattern = /^[0-9]{1,15}$/;

/** A head or trailers as HTTP/2 says them, and whether they are what RFC 9113 §8 allows. */
export class FieldSection implements FieldSink {
  readonly kind: SectionKind;
  /** Regular fields, names and values in turn. */
  readonly headers: string[] = [];
  method: string | undefined;
  scheme: string | undefined;
  path: string | undefined;
  authority: string | undefined;
  status: string | undefined;
  /** Bytes of body that were announced; -1 when nothing was. */
  contentLength = -1;
  /** Why the message is malformed; undefined when it is not. */
  flaw: string | undefined;
  /** It is a request that wants an answer saying that it is none, as Go gives; otherwise it only is reset. */
  isBadRequest = false;
  /** It is larger than allowed; what goes beyond is left out. */
  isTooLarge = false;
  /** What its limit leaves; negative when it is too large. */
  bytesLeft: number;

  constructor(kind: SectionKind, maxBytes: number) {
    this.kind = kind;
    this.bytesLeft = maxBytes;
  }

  onField(name: string, value: string, flaw: string | undefined): void {
    this.bytesLeft -= name.length + value.length + fieldOverhead;
    if (this.bytesLeft < 0) this.isTooLarge = true;
    if (flaw !== undefined) this.flaw ??= flaw;
    if (this.isTooLarge || this.flaw !== undefined) return;
    if (name.charCodeAt(0) === colon) this.#takePseudoHeader(name, value);
    else {
      const kind = lookedAt.get(name);
      if (kind !== undefined) this.#look(kind, name, value);
      this.headers.push(name, value);
    }
  }

  /** Call when all fields are in. */
  finish(): void {
    if (this.flaw !== undefined || this.isTooLarge) return;
    if (this.kind === "request") this.flaw = this.#findRequestFlaw();
    else if (this.kind === "response") this.flaw = this.#findResponseFlaw();
  }

  #takePseudoHeader(name: string, value: string): void {
    const field = pseudoHeaders[this.kind].get(name);
    if (field === undefined) this.flaw = `a pseudo-header that does not belong here: ${name}`;
    else if (this.headers.length > 0) this.flaw = `a pseudo-header behind others: ${name}`;
    else if (this[field] !== undefined) this.flaw = `a pseudo-header twice: ${name}`;
    else this[field] = value;
  }

  #look(kind: "connection" | "te" | "length", name: string, value: string): void {
    if (kind === "length") this.#takeLength(value);
    else if (kind === "connection" || value !== "trailers") {
      this.isBadRequest = this.kind === "request";
      if (!this.isBadRequest) this.flaw = `a header of HTTP/1.1 connections: ${name}`;
    }
  }

  #takeLength(value: string): void {
    // In trailers it says nothing.
    if (this.kind === "trailers") return;
    if (this.contentLength >= 0 || !lengthPattern.test(value)) this.flaw = "a content-length that is none";
    else this.contentLength = Number(value);
  }

  /** RFC 9113 §8.3.1. CONNECT names neither scheme nor path (§8.5). */
  #findRequestFlaw(): string | undefined {
    const { method, scheme, path } = this;
    if (method === undefined || !methodPattern.test(method)) return "no method";
    if (method === "CONNECT") return undefined;
    if (scheme !== "http" && scheme !== "https") return "neither http nor https";
    // An empty one says nothing (RFC 9113 §8.3.1).
    if (this.authority === "") this.authority = undefined;
    const isPath = path !== undefined && (pathPattern.test(path) || (path === "*" && method === "OPTIONS"));
    return isPath ? undefined : "no path";
  }

  /** RFC 9113 §8.3.2; there is no 101 (§8.6). */
  #findResponseFlaw(): string | undefined {
    const isStatus = this.status !== undefined && statusPattern.test(this.status) && this.status !== "101";
    return isStatus ? undefined : "no status";
  }
}

const colon = 0x3a;
