import { fromByteText } from "./go-text.ts";
import type { GoValue } from "./go-value.ts";
import type { BranchNode, Command, Operand, Pipe, TemplateNode } from "./template-node.ts";
import { toSyntaxError, toTokens, type Token, type TokenKind } from "./template-token.ts";

/** The templates of a source: its own under the empty name, and those that it defines. */
export type TemplateSet = ReadonlyMap<string, readonly TemplateNode[]>;

const keywords: ReadonlySet<string> = new Set([
  "block",
  "break",
  "continue",
  "define",
  "else",
  "end",
  "if",
  "range",
  "template",
  "with",
]);

/** How a list of nodes ended. */
interface Ending {
  readonly keyword: "end" | "else" | "";
}

/**
 * Reads Go's text/template. Functions must be known and variables declared before they are used, as in Go; whether fields exist shows only
 * when a template is run. Throws SyntaxError.
 */
export function parseTemplate(source: string, functions: ReadonlySet<string>): TemplateSet {
  return new TemplateParser(toTokens(source), functions).parse();
}

class TemplateParser {
  readonly #tokens: readonly Token[];
  readonly #functions: ReadonlySet<string>;
  readonly #templates = new Map<string, readonly TemplateNode[]>();
  #at = 0;
  #variables: string[] = ["$"];
  #rangeDepth = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], functions: ReadonlySet<string>) {
    this.#tokens = tokens;
    this.#functions = functions;
  }

  parse(): TemplateSet {
    const { nodes, ending } = this.#parseList();
    if (ending.keyword !== "") throw this.#error(`unexpected {{${ending.keyword}}}`);
    this.#templates.set("", nodes);
    return this.#templates;
  }

  #parseList(): { nodes: TemplateNode[]; ending: Ending } {
    const nodes: TemplateNode[] = [];
    for (;;) {
      const token = this.#next();
      if (token.kind === "end") return { nodes, ending: { keyword: "" } };
      if (token.kind === "text") {
        nodes.push({ kind: "text", text: token.text });
        continue;
      }
      this.#skipSpace();
      const keyword = this.#takeKeyword();
      if (keyword === "end" || keyword === "else") {
        if (keyword === "end") this.#close();
        return { nodes, ending: { keyword } };
      }
      const node = this.#parseAction(keyword);
      if (node !== undefined) nodes.push(node);
    }
  }

  #parseAction(keyword: string | undefined): TemplateNode | undefined {
    switch (keyword) {
      case undefined: {
        const pipe = this.#parsePipe("close", false);
        return { kind: "action", pipe };
      }
      case "if":
      case "with":
      case "range":
        return this.#parseBranch(keyword);
      case "break":
      case "continue":
        if (this.#rangeDepth === 0) throw this.#error(`{{${keyword}}} outside {{range}}`);
        this.#close();
        return { kind: keyword };
      case "define":
        if (this.#depth > 0) throw this.#error("unexpected {{define}}");
        this.#parseDefinition(this.#takeName("define"));
        return undefined;
      case "block":
        return this.#parseBlock();
      default:
        return this.#parseTemplateCall();
    }
  }

  #parseBranch(kind: BranchNode["kind"]): BranchNode {
    const before = this.#variables.length;
    const start = this.#error(`{{${kind}}} has no {{end}}`);
    const pipe = this.#parsePipe("close", kind === "range");
    this.#depth++;
    if (kind === "range") this.#rangeDepth++;
    const { nodes, ending } = this.#parseList();
    if (kind === "range") this.#rangeDepth--;
    const otherwise = ending.keyword === "else" ? this.#parseElse(kind) : [];
    this.#depth--;
    if (ending.keyword === "") throw start;
    this.#variables.length = before;
    return { kind, pipe, list: nodes, otherwise };
  }

  /** `{{else}}`, or `{{else if …}}` and `{{else with …}}`, which share the `{{end}}`. */
  #parseElse(kind: BranchNode["kind"]): TemplateNode[] {
    this.#skipSpace();
    if (this.#peek().kind !== "close") {
      const keyword = this.#takeKeyword();
      if (kind === "range" || keyword !== kind) throw this.#error("unexpected text in {{else}}");
      return [this.#parseBranch(kind)];
    }
    this.#close();
    const { nodes, ending } = this.#parseList();
    if (ending.keyword !== "end") throw this.#error("expected {{end}}");
    return nodes;
  }

  #parseDefinition(name: string): void {
    this.#close();
    const outer = { variables: this.#variables, rangeDepth: this.#rangeDepth };
    this.#variables = ["$"];
    this.#rangeDepth = 0;
    const { nodes, ending } = this.#parseList();
    if (ending.keyword !== "end") throw this.#error("expected {{end}}");
    this.#variables = outer.variables;
    this.#rangeDepth = outer.rangeDepth;
    const known = this.#templates.get(name) ?? [];
    if (!isEmpty(known) && !isEmpty(nodes)) throw this.#error(`multiple definition of template "${name}"`);
    if (!isEmpty(nodes) || known.length === 0) this.#templates.set(name, nodes);
  }

  #parseBlock(): TemplateNode {
    const name = this.#takeName("block");
    const pipe = this.#parsePipe("close", false);
    this.#at--;
    this.#parseDefinition(name);
    return { kind: "template", name, pipe };
  }

  #parseTemplateCall(): TemplateNode {
    const name = this.#takeName("template");
    this.#skipSpace();
    if (this.#peek().kind !== "close")
      return { kind: "template", name, pipe: this.#parsePipe("close", false) };
    this.#close();
    return { kind: "template", name, pipe: undefined };
  }

  #parsePipe(end: TokenKind, isRange: boolean): Pipe {
    const { variables, isAssignment } = this.#parseVariables(isRange);
    const commands: Command[] = [];
    for (;;) {
      this.#skipSpace();
      const { kind } = this.#peek();
      if (kind === end) break;
      if (kind === "|") throw this.#error("missing value for command");
      commands.push(this.#parseCommand(end));
    }
    this.#at++;
    if (commands.length === 0) throw this.#error("missing value for command");
    for (const [first] of commands.slice(1)) {
      if (first !== undefined && isLiteral(first)) throw this.#error("non executable command in pipeline");
    }
    return { variables, isAssignment, commands };
  }

  /** `$x := `, `$x = `, and in a range `$key, $value := `. */
  #parseVariables(isRange: boolean): { variables: string[]; isAssignment: boolean } {
    this.#skipSpace();
    const start = this.#at;
    const variables: string[] = [];
    while (this.#peek().kind === "variable") {
      variables.push(this.#next().text);
      this.#skipSpace();
      const { kind } = this.#peek();
      if (kind === ":=" || kind === "=") {
        this.#at++;
        // Whether an assigned one exists shows when it is run.
        if (kind === ":=") this.#variables.push(...variables);
        return { variables, isAssignment: kind === "=" };
      }
      if (kind !== "," || !isRange || variables.length > 1) break;
      this.#at++;
      this.#skipSpace();
    }
    this.#at = start;
    return { variables: [], isAssignment: false };
  }

  #parseCommand(end: TokenKind): Command {
    const operands: Operand[] = [];
    for (;;) {
      this.#skipSpace();
      const { kind } = this.#peek();
      if (kind === end) return operands;
      if (kind === "|") {
        this.#at++;
        return operands;
      }
      operands.push(this.#parseOperand());
      const after = this.#peek().kind;
      if (after !== "space" && after !== "|" && after !== end)
        throw this.#error("unexpected text in operand");
    }
  }

  #parseOperand(): Operand {
    const token = this.#next();
    const base = token.kind === "field" ? undefined : this.#parseTerm(token);
    const names = token.kind === "field" ? [token.text.slice(1)] : [];
    while (this.#peek().kind === "field") names.push(this.#next().text.slice(1));
    if (base === undefined) return { kind: "fields", base, names };
    if (names.length === 0) return base;
    if (base.kind === "constant" || base.kind === "nil" || base.kind === "dot") {
      throw this.#error(`unexpected .${names[0] ?? ""} after a value without fields`);
    }
    return { kind: "fields", base, names };
  }

  #parseTerm(token: Token): Operand {
    const { kind, text } = token;
    if (kind === "identifier") return this.#parseWord(text);
    if (kind === "dot") return { kind };
    if (kind === "string") return { kind: "constant", value: text };
    if (kind === "character") return { kind: "constant", value: this.#toRune(text) };
    if (kind === "number") return { kind: "constant", value: this.#toNumber(text) };
    if (kind === "(") return { kind: "pipe", pipe: this.#parsePipe(")", false) };
    if (kind !== "variable") throw this.#error(`unexpected ${JSON.stringify(text)} in command`);
    this.#checkVariable(text);
    return { kind, name: text };
  }

  #parseWord(word: string): Operand {
    if (word === "true" || word === "false") return { kind: "constant", value: word === "true" };
    if (word === "nil") return { kind: "nil" };
    if (keywords.has(word)) throw this.#error(`unexpected <${word}> in command`);
    if (!this.#functions.has(word)) throw this.#error(`function "${word}" not defined`);
    return { kind: "function", name: word };
  }

  #toRune(bytes: string): GoValue {
    const runes = Array.from(fromByteText(bytes));
    if (runes.length !== 1) throw this.#error("malformed character constant");
    return BigInt(runes[0]?.codePointAt(0) ?? 0);
  }

  #toNumber(text: string): GoValue {
    const value = /_(?:_|$)|(?:^|[.eE+-])_/.test(text) ? Number.NaN : this.#readNumber(text);
    const isTooLarge =
      typeof value === "bigint" ? value > mostUint || value < -mostUint : !Number.isFinite(value);
    if (isTooLarge) throw this.#error(`bad number syntax: ${JSON.stringify(text)}`);
    return value;
  }

  #readNumber(text: string): bigint | number {
    const plain = text.replaceAll("_", "");
    const sign = plain.startsWith("-") ? -1 : 1;
    const digits = plain.replace(/^[+-]/, "");
    if (/^(?:0[xXbBoO]|\d+$)/.test(digits)) {
      const octal = /^0\d+$/.test(digits) ? `0o${digits.slice(1)}` : digits;
      return /^0o.*[89]/.test(octal) ? Number.NaN : BigInt(octal) * BigInt(sign);
    }
    return Number(digits) * sign;
  }

  #checkVariable(name: string): void {
    if (!this.#variables.includes(name)) throw this.#error(`undefined variable "${name}"`);
  }

  /** The keyword of an action that begins with one, except the values that look like one. */
  #takeKeyword(): string | undefined {
    const token = this.#peek();
    if (token.kind !== "identifier" || !keywords.has(token.text)) return undefined;
    this.#at++;
    return token.text;
  }

  #takeName(where: string): string {
    this.#skipSpace();
    const token = this.#next();
    if (token.kind !== "string")
      throw this.#error(`unexpected ${JSON.stringify(token.text)} in ${where} clause`);
    this.#skipSpace();
    return token.text;
  }

  #close(): void {
    this.#skipSpace();
    const token = this.#next();
    if (token.kind !== "close") throw this.#error(`unexpected ${JSON.stringify(token.text)} in action`);
  }

  #skipSpace(): void {
    while (this.#peek().kind === "space") this.#at++;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? endToken;
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #error(what: string): SyntaxError {
    const token = this.#tokens[Math.min(this.#at, this.#tokens.length) - 1] ?? endToken;
    return toSyntaxError(token.line, what);
  }
}

const mostUint = 0xffff_ffff_ffff_ffffn;

const endToken: Token = { kind: "end", text: "", line: 1 };

function isEmpty(nodes: readonly TemplateNode[]): boolean {
  return nodes.every((node) => node.kind === "text" && node.text.trim() === "");
}

function isLiteral(operand: Operand): boolean {
  return operand.kind === "constant" || operand.kind === "nil" || operand.kind === "dot";
}
