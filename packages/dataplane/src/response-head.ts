import { SluiceError } from "@sluice/core";

/** The head of an app's response, read once: what we ask about, and the headers that go on to the client. */
export class ResponseHead {
  status = 0;
  reason = "";
  /** Names and values in turn, as they came, without hop-by-hop ones and what only our own processes say. */
  headers: string[] = [];
  /** Bytes of body that `Content-Length` declares; -1 when it does not. */
  contentLength = -1;
  isChunked = false;
  /** Whether the connection may be used again after the body. */
  keepsAlive = true;
  /** What `Keep-Alive: timeout` says of it, in seconds; -1 when nothing. */
  keepAliveSeconds = -1;
  /** The names that `Trailer` announces. */
  trailer: string | undefined;
  /** `Sluice-Refused`: the sidecar behind says that its app saw nothing. */
  refused: string | undefined;
}

/** RFC 9110 §5.6.2: what names consist of. */
const isTokenCode = toCodeTable(
  "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
);
const colon = 58;
const space = 32;
const tab = 9;
const lastControl = 31;
const del = 127;
const zero = 48;

const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;

/**
 * Reads a response's head, status line to the last header, as RFC 9112 writes it: no bare line ends, no folded lines, no
 * blank before a colon, one framing. `text` has a character per byte and no final empty line. Throws `upstream-invalid`.
 */
export function readResponseHead(text: string): ResponseHead {
  const head = new ResponseHead();
  let end = text.indexOf("\r\n");
  if (end === -1) end = text.length;
  readStatusLine(text.slice(0, end), head);
  let connection: string | undefined;
  for (let start = end + 2; start < text.length; start = end + 2) {
    end = text.indexOf("\r\n", start);
    if (end === -1) end = text.length;
    const nameEnd = findNameEnd(text, start, end);
    const name = text.slice(start, nameEnd);
    const value = readValue(text, nameEnd + 1, end);
    const special = toSpecialName(name);
    if (special === undefined) head.headers.push(name, value);
    else if (special === "connection")
      connection = connection === undefined ? value : `${connection}, ${value}`;
    else applySpecial(special, name, value, head);
  }
  if (connection !== undefined) applyConnection(connection, head);
  if (head.isChunked && head.contentLength !== -1) throw invalid("a body with two framings");
  // Where its body ends may be another's guess (RFC 9112 §6.1).
  if (head.isChunked && text.startsWith("HTTP/1.0")) head.keepsAlive = false;
  return head;
}

/** Trailer fields, names and values in turn. Framing fields have no business there (RFC 9110 §6.5.1). */
export function readTrailerFields(text: string): string[] | undefined {
  const kept: string[] = [];
  let end = -2;
  for (let start = 0; start < text.length; start = end + 2) {
    end = text.indexOf("\r\n", start);
    if (end === -1) end = text.length;
    const nameEnd = findNameEnd(text, start, end);
    const name = text.slice(start, nameEnd);
    const value = readValue(text, nameEnd + 1, end);
    if (toSpecialName(name) === undefined) kept.push(name, value);
  }
  return kept.length === 0 ? undefined : kept;
}

function readStatusLine(line: string, head: ResponseHead): void {
  const match = statusLine.exec(line);
  if (match === null) throw invalid("malformed status line");
  head.keepsAlive = match[1] === "1";
  head.status = Number(match[2]);
  head.reason = match[3] ?? "";
}

function findNameEnd(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && isTokenCode[text.charCodeAt(at)] === 1) at++;
  if (at === start || at === end || text.charCodeAt(at) !== colon) throw invalid("malformed header");
  return at;
}

/** Without the blanks around it (RFC 9110 §5.5). */
function readValue(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if ((code <= lastControl && code !== tab) || code === del)
      throw invalid("a control character in a header");
  }
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === space || code === tab;
}

/**
 * Headers that are ours to read or to leave out: hop-by-hop (RFC 9110 §7.6.1), framing, and what only our own processes say to one
 * another.
 */
const specialNames = [
  "te",
  "trailer",
  "upgrade",
  "connection",
  "keep-alive",
  "content-length",
  "sluice-refused",
  "proxy-connection",
  "transfer-encoding",
  "proxy-authenticate",
  "proxy-authorization",
] as const;
type SpecialName = (typeof specialNames)[number];
const specialByName: ReadonlyMap<string, SpecialName> = new Map(specialNames.map((name) => [name, name]));
/** Most headers are none of these and are told by their length alone. */
const specialLengths: ReadonlySet<number> = new Set(specialNames.map((name) => name.length));

function toSpecialName(name: string): SpecialName | undefined {
  return specialLengths.has(name.length) ? specialByName.get(name.toLowerCase()) : undefined;
}

function applySpecial(special: SpecialName, name: string, value: string, head: ResponseHead): void {
  if (special === "content-length") applyLength(name, value, head);
  else if (special === "transfer-encoding") {
    if (head.isChunked || value.toLowerCase() !== "chunked") throw invalid(`Transfer-Encoding: ${value}`);
    head.isChunked = true;
  } else if (special === "keep-alive") {
    const seconds = /(?:^|[,\s])timeout=(\d{1,9})/i.exec(value)?.[1];
    if (seconds !== undefined) head.keepAliveSeconds = Number(seconds);
  } else if (special === "trailer")
    head.trailer = head.trailer === undefined ? value : `${head.trailer}, ${value}`;
  else if (special === "sluice-refused") head.refused = value;
}

/** One length, however often it is said (RFC 9110 §8.6). */
function applyLength(name: string, value: string, head: ResponseHead): void {
  if (!isDigits(value) || value.length > 15) throw invalid(`Content-Length: ${value}`);
  const length = Number(value);
  if (head.contentLength === length) return;
  if (head.contentLength !== -1) throw invalid("two lengths");
  head.contentLength = length;
  // An answer that has no body has no length to tell (RFC 9110 §8.6).
  if (head.status >= 200 && head.status !== 204) head.headers.push(name, value);
}

function isDigits(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const digit = value.charCodeAt(at) - zero;
    if (digit < 0 || digit > 9) return false;
  }
  return value.length > 0;
}

/** A header that `Connection` names was meant for us alone; never the framing, or two sides would disagree where the body ends. */
function applyConnection(connection: string, head: ResponseHead): void {
  if (connection === "keep-alive" || connection === "close") {
    head.keepsAlive = connection === "keep-alive";
    return;
  }
  const named = new Set(connection.split(",").map((option) => option.trim().toLowerCase()));
  if (named.has("close")) head.keepsAlive = false;
  else if (named.has("keep-alive")) head.keepsAlive = true;
  named.delete("content-length");
  const { headers } = head;
  head.headers = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    if (!named.has(name.toLowerCase())) head.headers.push(name, headers[index + 1] ?? "");
  }
}

function invalid(detail: string): SluiceError {
  return new SluiceError("upstream-invalid", detail);
}

function toCodeTable(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}
