/** What a request log line can say (reference §1.11): Knative's template fields. */
export interface LogRecord {
  readonly Request: {
    readonly Method: string;
    readonly RequestURI: string;
    readonly ContentLength: number;
    readonly UserAgent: string;
    readonly RemoteAddr: string;
    readonly Referer: string;
    readonly Proto: string;
    readonly Host: string;
    /** By canonical name, as Go writes it: `X-B3-Traceid`. */
    readonly header: (name: string) => string;
  };
  readonly Response: { readonly Code: number; readonly Size: number; readonly Latency: number };
  readonly Revision: Readonly<Record<string, string>>;
  readonly TraceID: string;
}

/** Writes one line, without its newline. */
export type LogTemplate = (record: LogRecord) => string;

type Part = (record: LogRecord) => string;

const action = /\{\{-?\s*(.*?)\s*-?\}\}/gs;

/**
 * Compiles the part of Go's text/template that request logs use: fields, `index .Request.Header "Name"`, `.Request.Header.Get
 * "Name"`, and the functions `js`, `html`, `urlquery`, `printf "%s"` and `print` before any of them. Throws an Error that names what it
 * does not know.
 */
export function compileLogTemplate(text: string): LogTemplate {
  const parts: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(action)) {
    const literal = text.slice(end, match.index);
    parts.push(() => literal, compileAction(match[1] ?? ""));
    end = match.index + match[0].length;
  }
  const rest = text.slice(end).replace(/\n$/, "");
  parts.push(() => rest);
  return (record) => parts.map((part) => part(record)).join("");
}

const functions: Readonly<Record<string, (text: string) => string>> = {
  js: escapeForScript,
  html: escapeForHtml,
  urlquery: encodeURIComponent,
  print: (text) => text,
};

function compileAction(source: string): Part {
  const [first = "", ...stages] = source.split("|").map((each) => each.trim());
  const words = /^(\w+)\s+(.+)$/s.exec(first);
  const leading = words?.[1] ?? "";
  const escape = functions[leading];
  const value = escape === undefined ? compileValue(first) : compileValue(words?.[2] ?? "");
  const escapes = [escape, ...stages.map(toFunction)].filter((each) => each !== undefined);
  return (record) => escapes.reduce((text, each) => each(text), value(record));
}

function toFunction(name: string): (text: string) => string {
  const known = functions[name];
  if (known === undefined) throw new TypeError(`the request log template knows no function ${name}`);
  return known;
}

function compileValue(source: string): Part {
  const header =
    /^\(?\s*index\s+\.Request\.Header\s+"([^"]+)"\s*(?:0\s*)?\)?$/.exec(source) ??
    /^\(?\s*\.Request\.Header\.Get\s+"([^"]+)"\s*\)?$/.exec(source);
  if (header !== null) {
    const name = header[1] ?? "";
    // `index` of a header in Go is the list of its values.
    return source.includes("index")
      ? (record) => toGoList(record.Request.header(name))
      : (record) => record.Request.header(name);
  }
  const path = /^\.(\w+)(?:\.(\w+))?$/.exec(source);
  if (path === null || !isField(path[1] ?? "", path[2])) {
    throw new TypeError(`the request log template does not know {{${source}}}`);
  }
  return (record) => readField(record, path[1] ?? "", path[2]);
}

const fields: Readonly<Record<string, readonly string[]>> = {
  Request: ["Method", "RequestURI", "ContentLength", "UserAgent", "RemoteAddr", "Referer", "Proto", "Host"],
  Response: ["Code", "Size", "Latency"],
  Revision: ["Name", "Namespace", "Service", "Configuration", "PodName", "PodIP"],
};

function isField(group: string, field: string | undefined): boolean {
  if (group === "TraceID") return field === undefined;
  return field !== undefined && fields[group]?.includes(field) === true;
}

function readField(record: LogRecord, group: string, field: string | undefined): string {
  if (group === "TraceID") return record.TraceID;
  const { header: _header, ...request } = record.Request;
  const values: Readonly<Record<string, string | number>> =
    group === "Request" ? request : group === "Response" ? { ...record.Response } : record.Revision;
  return String(values[field ?? ""] ?? "");
}

function toGoList(value: string): string {
  return `[${value}]`;
}

/** Go's JSEscapeString. */
function escapeForScript(text: string): string {
  return text.replaceAll(/[\\'"<>&=\p{Cc}]/gu, (character) => {
    const plain = { "\\": "\\\\", "'": "\\'", '"': '\\"' }[character];
    return plain ?? `\\u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
  });
}

function escapeForHtml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&#34;",
    "'": "&#39;",
  };
  return text.replaceAll(/[&<>"']/g, (character) => names[character] ?? character);
}
