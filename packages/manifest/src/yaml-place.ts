import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";

/** A map or a list as it was parsed, with its place in the text. */
export type Collection = YAMLMap<Node, Node | null> | YAMLSeq<Node>;

/** From the first character to the one after the last. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

interface Token {
  readonly type: string;
  readonly offset: number;
  readonly source: string;
}

interface TokenItem {
  readonly start?: readonly Token[];
  readonly sep?: readonly Token[];
}

interface CollectionToken {
  readonly start?: Token;
  readonly items?: readonly TokenItem[];
}

function endOfToken(token: Token): number {
  return token.offset + token.source.length;
}

function tokensOf(source: unknown): readonly TokenItem[] {
  return (source as CollectionToken | undefined)?.items ?? [];
}

export function isFlow(node: Collection): boolean {
  return node.flow === true;
}

/** The text of a key; keys that are no plain words have none. */
export function toKeyText(pair: Pair<Node, Node | null>): string | undefined {
  return isScalar(pair.key) ? (pair.key.source ?? String(pair.key.value)) : undefined;
}

export function startOfPair(pair: Pair<Node, Node | null>): number {
  return pair.key.range?.[0] ?? 0;
}

function separatorsOf(pair: Pair<Node, Node | null>): readonly Token[] {
  return (pair.srcToken as TokenItem | undefined)?.sep ?? [];
}

/** Where the colon ends; undefined for a key that has none (`? key`, `{ key }`). */
export function endOfColon(pair: Pair<Node, Node | null>): number | undefined {
  const colon = separatorsOf(pair).find(({ type }) => type === "map-value-ind");
  return colon && endOfToken(colon);
}

/** The end of what a value says, without comments and blank lines after it. */
export function endOfPair(pair: Pair<Node, Node | null>): number {
  const said = separatorsOf(pair).filter(({ type }) => ["map-value-ind", "anchor", "tag"].includes(type));
  const before = Math.max(pair.key.range?.[1] ?? 0, ...said.map(endOfToken));
  return endOfNode(pair.value, before);
}

/** `before` is where an empty node ends. */
function endOfNode(node: Node | null, before: number): number {
  if (node === null || node.range === undefined || node.range === null) return before;
  if (isScalar(node) && node.range[0] === node.range[1]) return before;
  if (isAlias(node) || isScalar(node)) return node.range[1];
  if (!isMap<Node, Node | null>(node) && !isSeq<Node>(node)) return node.range[1];
  const last = node.items.at(-1);
  if (isFlow(node) || last === undefined) return node.range[1];
  return isPair<Node, Node | null>(last)
    ? endOfPair(last)
    : endOfItem(node as YAMLSeq<Node>, node.items.length - 1);
}

/** Where the dash of a list's item stands; undefined in `[…]`. */
export function dashOf(list: YAMLSeq<Node>, index: number): number | undefined {
  return tokensOf(list.srcToken)[index]?.start?.find(({ type }) => type === "seq-item-ind")?.offset;
}

export function endOfItem(list: YAMLSeq<Node>, index: number): number {
  const dash = dashOf(list, index);
  return endOfNode(list.items[index] ?? null, dash === undefined ? 0 : dash + 1);
}

/** After the opening bracket. */
export function insideOf(node: Collection): number {
  const { start } = (node.srcToken ?? {}) as CollectionToken;
  return start === undefined ? (node.range?.[0] ?? 0) : endOfToken(start);
}

/** What stands after a key's colon, a dash or a comma, up to the end of the value: replacing it replaces the value. */
export function slotOf(node: Collection, index: number): Span | undefined {
  if (isMap<Node, Node | null>(node)) {
    const pair = node.items[index];
    const start = pair && endOfColon(pair);
    return pair === undefined || start === undefined ? undefined : { start, end: endOfPair(pair) };
  }
  const end = endOfItem(node, index);
  const dash = dashOf(node, index);
  if (dash !== undefined) return { start: dash + 1, end };
  const comma = tokensOf(node.srcToken)[index]?.start?.find(({ type }) => type === "comma");
  return { start: comma === undefined ? insideOf(node) : endOfToken(comma), end };
}

/** Start of the line on which `offset` is. */
export function lineStart(text: string, offset: number): number {
  return text.lastIndexOf("\n", offset - 1) + 1;
}

/** Start of the line after the one on which `offset` is; `offset` itself where a text that ends its line ended. */
export function nextLine(text: string, offset: number): number {
  if (offset > 0 && text[offset - 1] === "\n") return offset;
  const end = text.indexOf("\n", offset);
  return end === -1 ? text.length : end + 1;
}

/** How far `offset` is from the start of its line; undefined when something else than spaces stands there. */
export function indentAt(text: string, offset: number): number | undefined {
  const before = text.slice(lineStart(text, offset), offset);
  return /^\uFEFF? *$/.test(before) ? before.replace("\uFEFF", "").length : undefined;
}
