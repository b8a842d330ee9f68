import { escapeForQuery } from "./go-escape.ts";
import { GoMap, GoStruct, type GoMethod, type GoValue } from "./go-value.ts";

/** What is known of a request, in texts with a character per byte. */
export interface LoggedHttpRequest {
  readonly method: string;
  /** The target as the client wrote it. */
  readonly url: string;
  /** `HTTP/1.1`. */
  readonly protocol: string;
  readonly host: string;
  /** Address and port. */
  readonly remoteAddress: string;
  /** Names and values in turn, without `Host`. */
  readonly headers: readonly string[];
  /** -1 when it is not known beforehand. */
  readonly contentLength: bigint;
  readonly isChunked: boolean;
  readonly isSecure: boolean;
  readonly closesConnection: boolean;
}

/** Go's `*http.Request`, as far as a line in a log can ask for it. */
export function toGoRequest(request: LoggedHttpRequest): GoStruct {
  const header = (): GoMap => toGoHeader(request.headers);
  const url = (): GoStruct => toGoUrl(request.url);
  const [major = "1", minor = "1"] = request.protocol.replace("HTTP/", "").split(".");
  return new GoStruct(
    "*http.Request",
    {
      Method: () => request.method,
      URL: url,
      Proto: () => request.protocol,
      ProtoMajor: () => BigInt(major),
      ProtoMinor: () => BigInt(minor),
      Header: header,
      Body: () => new GoStruct("*http.body", {}),
      ContentLength: () => request.contentLength,
      TransferEncoding: () => (request.isChunked ? ["chunked"] : []),
      Close: () => request.closesConnection,
      Host: () => request.host,
      Form: () => emptyValues(),
      PostForm: () => emptyValues(),
      MultipartForm: () => toNil("*multipart.Form"),
      Trailer: () => new GoMap("http.Header", new Map(), []),
      RemoteAddr: () => request.remoteAddress,
      RequestURI: () => request.url,
      TLS: () =>
        request.isSecure ? new GoStruct("*tls.ConnectionState", {}) : toNil("*tls.ConnectionState"),
      Response: () => toNil("*http.Response"),
      Pattern: () => "",
    },
    toRequestMethods(request, header, url, BigInt(major), BigInt(minor)),
  );
}

function toRequestMethods(
  request: LoggedHttpRequest,
  header: () => GoMap,
  url: () => GoStruct,
  major: bigint,
  minor: bigint,
): Record<string, GoMethod> {
  const get = (name: string): GoMethod => method(0, () => firstValue(header(), name));
  return {
    UserAgent: get("User-Agent"),
    Referer: get("Referer"),
    Cookies: method(0, () => readCookies(request.headers)),
    Cookie: method(1, ([name]) => findCookie(request.headers, toText(name))),
    ProtoAtLeast: method(
      2,
      ([wantedMajor = 0n, wantedMinor = 0n]) =>
        major > toInt(wantedMajor) || (major === toInt(wantedMajor) && minor >= toInt(wantedMinor)),
    ),
    FormValue: method(1, ([name]) => firstQueryValue(url(), toText(name))),
    PostFormValue: method(1, () => ""),
    PathValue: method(1, () => ""),
  };
}

function toNil(typeName: string, methods: Readonly<Record<string, GoMethod>> = {}): GoStruct {
  return new GoStruct(typeName, {}, methods, true);
}

function method(arity: number, call: GoMethod["call"]): GoMethod {
  return { arity, call };
}

function toText(value: GoValue | undefined): string {
  if (typeof value !== "string") throw new TypeError("expected string");
  return value;
}

function toInt(value: GoValue): bigint {
  if (typeof value !== "bigint") throw new TypeError("expected integer");
  return value;
}

/** Go's `http.Header`: values by canonical name, as `X-B3-Traceid`. */
function toGoHeader(headers: readonly string[]): GoMap {
  const entries = new Map<string, string[]>();
  for (let index = 0; index < headers.length; index += 2) {
    const name = toCanonicalName(headers[index] ?? "");
    const values = entries.get(name);
    if (values === undefined) entries.set(name, [headers[index + 1] ?? ""]);
    else values.push(headers[index + 1] ?? "");
  }
  const values = (name: GoValue | undefined): readonly string[] =>
    entries.get(toCanonicalName(toText(name))) ?? [];
  return new GoMap("http.Header", entries, [], {
    Get: method(1, ([name]) => values(name)[0] ?? ""),
    Values: method(1, ([name]) => values(name)),
  });
}

function firstValue(header: GoMap, name: string): GoValue {
  const values = header.entries.get(name);
  return Array.isArray(values) ? ((values as readonly GoValue[])[0] ?? "") : "";
}

/** `x-b3-traceid` becomes `X-B3-Traceid`. */
export function toCanonicalName(name: string): string {
  return name.toLowerCase().replaceAll(/(?<=^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

const cookiePair = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("?)([\x20-\x21\x23-\x3a\x3c-\x5b\x5d-\x7e]*)\2$/;

function readCookies(headers: readonly string[]): GoStruct[] {
  const cookies: GoStruct[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    if ((headers[index] ?? "").toLowerCase() !== "cookie") continue;
    for (const part of (headers[index + 1] ?? "").split(";")) {
      const [, name = "", , value = ""] = cookiePair.exec(part.trim()) ?? [];
      if (name !== "") cookies.push(toGoCookie(name, value));
    }
  }
  return cookies;
}

function toGoCookie(name: string, value: string): GoStruct {
  return new GoStruct(
    "*http.Cookie",
    { Name: () => name, Value: () => value },
    { String: method(0, () => `${name}=${value}`) },
  );
}

function findCookie(headers: readonly string[], name: string): GoStruct {
  const cookie = readCookies(headers).find(({ fields }) => fields["Name"]?.() === name);
  if (cookie === undefined) throw new RangeError("http: named cookie not present");
  return cookie;
}

function emptyValues(): GoMap {
  return new GoMap("url.Values", new Map(), []);
}

const absoluteForm = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/is;

/** Go's `*url.URL` of a request's target. */
function toGoUrl(url: string): GoStruct {
  const [, scheme = "", host = "", rest = url] = absoluteForm.exec(url) ?? [];
  const mark = rest.indexOf("?");
  const rawPath = mark === -1 ? rest : rest.slice(0, mark);
  const query = mark === -1 ? "" : rest.slice(mark + 1);
  const path = decodePercent(rawPath);
  const escaped = isDefaultEscape(rawPath, path) ? escapePath(path) : rawPath;
  const name = /^(.*?)(?::(\d*))?$/s.exec(host);
  const uri = `${escaped === "" ? "/" : escaped}${mark === -1 ? "" : `?${query}`}`;
  const text = `${scheme === "" ? "" : `${scheme}://${host}`}${escaped}${mark === -1 ? "" : `?${query}`}`;
  return new GoStruct(
    "*url.URL",
    {
      Scheme: () => scheme,
      Opaque: () => "",
      User: () => toNil("*url.Userinfo", { Username: method(0, () => ""), String: method(0, () => "") }),
      Host: () => host,
      Path: () => path,
      RawPath: () => (escaped === escapePath(path) ? "" : rawPath),
      RawQuery: () => query,
      Fragment: () => "",
      RawFragment: () => "",
      ForceQuery: () => mark !== -1 && query === "",
    },
    {
      String: method(0, () => text),
      EscapedPath: method(0, () => escaped),
      RequestURI: method(0, () => uri),
      Query: method(0, () => toGoQuery(query)),
      Hostname: method(0, () => name?.[1] ?? ""),
      Port: method(0, () => name?.[2] ?? ""),
      IsAbs: method(0, () => scheme !== ""),
      Redacted: method(0, () => text),
      EscapedFragment: method(0, () => ""),
    },
  );
}

function decodePercent(text: string): string {
  return text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_whole, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function isDefaultEscape(raw: string, path: string): boolean {
  return escapePath(path) === raw || !/^(?:[\w.~!$&'()*+,;=:@/[\]-]|%[0-9A-Fa-f]{2})*$/.test(raw);
}

/** As Go escapes a path that it has decoded. */
function escapePath(path: string): string {
  return path.replaceAll(
    /[^\w.~$&+,/:;=@-]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

/** Go's `url.Values`; pairs that cannot be read are left out. */
function toGoQuery(query: string): GoMap {
  const entries = new Map<string, string[]>();
  for (const pair of query.split("&")) {
    if (pair === "" || pair.includes(";") || /%(?![0-9A-Fa-f]{2})/.test(pair)) continue;
    const mark = pair.indexOf("=");
    const name = decodeQuery(mark === -1 ? pair : pair.slice(0, mark));
    const values = entries.get(name) ?? [];
    values.push(mark === -1 ? "" : decodeQuery(pair.slice(mark + 1)));
    entries.set(name, values);
  }
  const find = (name: GoValue | undefined): readonly string[] | undefined => entries.get(toText(name));
  return new GoMap("url.Values", entries, [], {
    Get: method(1, ([name]) => find(name)?.[0] ?? ""),
    Has: method(1, ([name]) => find(name) !== undefined),
    Encode: method(0, () => encodeQuery(entries)),
  });
}

function decodeQuery(text: string): string {
  return decodePercent(text.replaceAll("+", " "));
}

function encodeQuery(entries: ReadonlyMap<string, readonly string[]>): string {
  return [...entries]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([name, values]) => values.map((value) => `${escapeForQuery(name)}=${escapeForQuery(value)}`))
    .join("&");
}

function firstQueryValue(url: GoStruct, name: string): GoValue {
  const query = url.methods["Query"]?.call([]);
  return query instanceof GoMap ? (query.methods["Get"]?.call([name]) ?? "") : "";
}
