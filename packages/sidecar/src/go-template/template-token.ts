import { unquote } from "./go-text.ts";

export type TokenKind =
  | "text"
  | "open"
  | "close"
  | "space"
  | "field"
  | "variable"
  | "identifier"
  | "number"
  | "string"
  | "character"
  | "dot"
  | "|"
  | ","
  | "="
  | ":="
  | "("
  | ")"
  | "end";

export interface Token {
  readonly kind: TokenKind;
  /** For strings and characters what they say, else what is written. */
  readonly text: string;
  readonly line: number;
}

const rules: readonly (readonly [TokenKind, RegExp])[] = [
  ["close", /(?:[ \t\r\n]+-)?\}\}/y],
  ["space", /[ \t\r\n]+/y],
  ["string", /"(?:[^"\\\n]|\\[^\n])*"|`[^`]*`/y],
  ["character", /'(?:[^'\\\n]|\\[^\n])+'/y],
  [
    "number",
    /[+-]?(?:0[xX][0-9A-Fa-f_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9][0-9_]*\.?[0-9_]*(?:[eE][+-]?[0-9_]+)?|\.[0-9_]+(?:[eE][+-]?[0-9_]+)?)(?![A-Za-z0-9_.])/y,
  ],
  ["field", /\.[A-Za-z_][A-Za-z0-9_]*(?=$|[ \t\r\n.,|:=()]|\}\})/y],
  ["variable", /\$(?:[A-Za-z_][A-Za-z0-9_]*)?(?=$|[ \t\r\n.,|:=()]|\}\})/y],
  ["identifier", /[A-Za-z_][A-Za-z0-9_]*(?=$|[ \t\r\n.,|:=()]|\}\})/y],
  ["dot", /\./y],
  [":=", /:=/y],
  ["=", /=/y],
  ["|", /\|/y],
  [",", /,/y],
  ["(", /\(/y],
  [")", /\)/y],
];

const comment = /\/\*[^]*?\*\/((?:[ \t\r\n]+-)?\}\})/y;

/**
 * Takes a template apart. `{{-` and `-}}` take the blanks of the text beside them away, comments vanish. Throws SyntaxError with the line
 * of what no template has.
 */
export function toTokens(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  let trimsNext = false;
  const add = (kind: TokenKind, text: string, raw: string): void => {
    tokens.push({ kind, text, line });
    line += raw.split("\n").length - 1;
  };
  const addText = (end: number, trimsEnd: boolean): void => {
    const raw = source.slice(at, end);
    const started = trimsNext ? raw.replace(/^[ \t\r\n]+/, "") : raw;
    const text = trimsEnd ? started.replace(/[ \t\r\n]+$/, "") : started;
    if (text !== "") add("text", text, "");
    line += raw.split("\n").length - 1;
    trimsNext = false;
    at = end;
  };
  for (;;) {
    const open = source.indexOf("{{", at);
    if (open === -1) {
      addText(source.length, false);
      add("end", "", "");
      return tokens;
    }
    const trimsBefore = /\{\{-[ \t\r\n]/y.test(source.slice(open, open + 4));
    addText(open, trimsBefore);
    at += trimsBefore ? 3 : 2;
    const remark = match(
      comment,
      source,
      trimsBefore ? at + (/[ \t\r\n]*/y.exec(source.slice(at))?.[0].length ?? 0) : at,
    );
    if (remark !== undefined) {
      line += source.slice(at, comment.lastIndex).split("\n").length - 1;
      at = comment.lastIndex;
      trimsNext = remark[1] !== "}}";
      continue;
    }
    add("open", "{{", "");
    for (let isInside = true; isInside;) {
      const token = nextToken(source, at, line);
      at += token.raw.length;
      add(token.kind, token.text, token.raw);
      isInside = token.kind !== "close";
      trimsNext = token.raw.includes("-}}");
    }
  }
}

function nextToken(source: string, at: number, line: number): { kind: TokenKind; text: string; raw: string } {
  for (const [kind, rule] of rules) {
    const raw = match(rule, source, at)?.[0];
    if (raw !== undefined) return { kind, text: toMeaning(kind, raw), raw };
  }
  throw toSyntaxError(line, at >= source.length ? "unclosed action" : toComplaint(source.slice(at)));
}

function match(rule: RegExp, source: string, at: number): RegExpExecArray | undefined {
  rule.lastIndex = at;
  return rule.exec(source) ?? undefined;
}

function toMeaning(kind: TokenKind, raw: string): string {
  if (kind === "string") return raw.startsWith("`") ? raw.slice(1, -1) : unquote(raw.slice(1, -1), '"');
  return kind === "character" ? unquote(raw.slice(1, -1), "'") : raw;
}

function toComplaint(rest: string): string {
  const first = rest.charAt(0);
  if (first === '"') return "unterminated quoted string";
  if (first === "`") return "unterminated raw quoted string";
  return first === "'"
    ? "unterminated character constant"
    : `unexpected ${JSON.stringify(first)} in an action`;
}

export function toSyntaxError(line: number, what: string): SyntaxError {
  return new SyntaxError(`template: line ${line}: ${what}`);
}
