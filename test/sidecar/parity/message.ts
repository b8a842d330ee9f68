/** An HTTP/1 message as it stood on the wire. Written without looking at Node's parser, which is part of what is compared. */
export interface Message {
  readonly startLine: string;
  /** Names and values as they came. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
  readonly framing: "none" | "length" | "chunked" | "close";
  /** Everything that was promised has arrived. */
  readonly isWhole: boolean;
  /** What follows it on the connection. */
  readonly rest: string;
}

interface Body {
  readonly body: string;
  readonly trailers: Message["trailers"];
  readonly framing: Message["framing"];
  readonly isWhole: boolean;
  readonly rest: string;
}

const nothing: Body = { body: "", trailers: [], framing: "none", isWhole: true, rest: "" };

/** Undefined until the head is there. */
export function parseRequest(bytes: string): Message | undefined {
  return parse(bytes, (headers, rest) => {
    if (hasToken(headers, "transfer-encoding", "chunked")) return takeChunks(rest);
    const length = find(headers, "content-length");
    return length === undefined ? { ...nothing, rest } : takeLength(Number(length), rest);
  });
}

/** `method` is the request's: an answer to HEAD has no body. `isClosed`: nothing more will come. */
export function parseResponse(bytes: string, method: string, isClosed: boolean): Message | undefined {
  return parse(bytes, (headers, rest, startLine) => {
    const status = Number(startLine.split(" ")[1]);
    if (method === "HEAD" || status < 200 || status === 204 || status === 304) return { ...nothing, rest };
    if (hasToken(headers, "transfer-encoding", "chunked")) return takeChunks(rest);
    const length = find(headers, "content-length");
    if (length !== undefined) return takeLength(Number(length), rest);
    return { ...nothing, body: rest, framing: "close", isWhole: isClosed };
  });
}

function parse(
  bytes: string,
  takeBody: (headers: Message["headers"], rest: string, startLine: string) => Body,
): Message | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const [startLine = "", ...lines] = bytes.slice(0, end).split("\r\n");
  const headers = toHeaders(lines);
  return { startLine, headers, ...takeBody(headers, bytes.slice(end + 4), startLine) };
}

function toHeaders(lines: readonly string[]): [string, string][] {
  return lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
}

function takeLength(length: number, rest: string): Body {
  const body = rest.slice(0, length);
  return { ...nothing, body, framing: "length", isWhole: body.length === length, rest: rest.slice(length) };
}

function takeChunks(bytes: string): Body {
  let body = "";
  let left = bytes;
  for (;;) {
    const head = /^([0-9a-fA-F]+)[^\r\n]*\r\n/.exec(left);
    const size = Number.parseInt(head?.[1] ?? "", 16);
    if (head === null) return { ...nothing, body, framing: "chunked", isWhole: false };
    left = left.slice(head[0].length);
    if (size === 0) return takeTrailers(body, left);
    body += left.slice(0, size);
    if (left.length < size + 2) return { ...nothing, body, framing: "chunked", isWhole: false };
    left = left.slice(size + 2);
  }
}

function takeTrailers(body: string, left: string): Body {
  if (left.startsWith("\r\n")) return { ...nothing, body, framing: "chunked", rest: left.slice(2) };
  const end = left.indexOf("\r\n\r\n");
  if (end === -1) return { ...nothing, body, framing: "chunked", isWhole: false };
  const trailers = toHeaders(left.slice(0, end).split("\r\n"));
  return { body, trailers, framing: "chunked", isWhole: true, rest: left.slice(end + 4) };
}

function find(headers: Message["headers"], name: string): string | undefined {
  return headers.find(([each]) => each.toLowerCase() === name)?.[1];
}

function hasToken(headers: Message["headers"], name: string, token: string): boolean {
  return headers.some(([each, value]) => each.toLowerCase() === name && value.toLowerCase() === token);
}

/** A message in lines: names in lower case and in order, so that only what means something is compared. */
export function toLines(message: Message): string[] {
  const { startLine, headers, body, trailers, framing, isWhole } = message;
  return [
    shorten(startLine),
    ...toSortedLines(headers),
    ...(framing === "none" ? [] : [`(${framing}${isWhole ? "" : ", cut short"}) ${shorten(body)}`]),
    ...toSortedLines(trailers).map((line) => `(trailer) ${line}`),
  ];
}

const longText = 120;

function shorten(text: string): string {
  return text.length <= longText ? text : `${text.length} bytes, ${text.slice(0, 20)}…`;
}

/** Framing headers are told by how the body is framed; a date is a date. */
function toSortedLines(headers: Message["headers"]): string[] {
  return headers
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => name !== "transfer-encoding")
    .map(([name, value]) =>
      name === "date" && value.endsWith("GMT") ? "date: *" : `${name}: ${shorten(value)}`,
    )
    .toSorted((one, other) => compare(one.split(":")[0], other.split(":")[0]));
}

function compare(one = "", other = ""): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
