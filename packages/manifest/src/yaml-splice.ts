import type { Node, Pair, YAMLMap, YAMLSeq } from "yaml";
import { isMap } from "yaml";
import { stringifyYaml } from "./kubernetes-yaml.ts";
import {
  dashOf,
  endOfItem,
  endOfPair,
  indentAt,
  insideOf,
  isFlow,
  lineStart,
  nextLine,
  slotOf,
  startOfPair,
  type Collection,
  type Span,
} from "./yaml-place.ts";
import { readYamlStyle } from "./yaml-style.ts";

/** A piece of a text and what takes its place. */
export interface Splice extends Span {
  readonly text: string;
}

export type MapNode = YAMLMap<Node, Node | null>;
export type ListNode = YAMLSeq<Node>;

export function applySplice(text: string, { start, end, text: inserted }: Splice): string {
  return text.slice(0, start) + inserted + text.slice(end);
}

function eolOf(text: string): string {
  return text.includes("\r\n") ? "\r\n" : "\n";
}

/** Spaces in front of the keys of a map that is written line by line. */
export function columnOf(text: string, map: MapNode): number {
  const [first] = map.items;
  if (first === undefined) return 0;
  const start = startOfPair(first);
  return text.slice(lineStart(text, start), start).replace("\uFEFF", "").length;
}

function toBlock(text: string, value: unknown, column: number): string[] {
  const lines = stringifyYaml(value, readYamlStyle(text)).trimEnd().split("\n");
  return lines.map((line) => (line === "" ? "" : " ".repeat(column) + line));
}

/** Whole lines at the start of a line; a text whose last line has no end stays one. */
function insertLines(text: string, at: number, lines: string): Splice {
  const eol = eolOf(text);
  const isOpenEnded = at === text.length && at > 0 && !text.endsWith("\n");
  const bare = lines.replace(/\r?\n$/, "");
  if (isOpenEnded) return { start: at, end: at, text: eol + bare };
  return { start: at, end: at, text: lines === bare ? bare + eol : lines };
}

/** A new key at the end of a map. */
export function insertPair(text: string, map: MapNode, key: string, value: unknown): Splice {
  const last = map.items.at(-1);
  if (isFlow(map) || last === undefined) {
    const at = last === undefined ? insideOf(map) : endOfPair(last);
    const pair = `${JSON.stringify(key)}: ${JSON.stringify(value)}`;
    return { start: at, end: at, text: last === undefined ? pair : `, ${pair}` };
  }
  const lines = toBlock(text, { [key]: value }, columnOf(text, map));
  return insertLines(text, nextLine(text, endOfPair(last)), lines.join(eolOf(text)));
}

/** A new entry at the end of a list. */
export function appendItem(text: string, list: ListNode, value: unknown): Splice {
  const index = list.items.length - 1;
  const dash = dashOf(list, index);
  if (dash === undefined) {
    const at = index === -1 ? insideOf(list) : endOfItem(list, index);
    const item = JSON.stringify(value);
    return { start: at, end: at, text: index === -1 ? item : `, ${item}` };
  }
  const column = dash - lineStart(text, dash);
  const [first = "", ...others] = toBlock(text, value, column + 2);
  const lines = [`${" ".repeat(column)}- ${first.trimStart()}`, ...others];
  return insertLines(text, nextLine(text, endOfItem(list, index)), lines.join(eolOf(text)));
}

interface Extent {
  readonly start: number;
  readonly end: number;
  readonly next: number | undefined;
  readonly before: number | undefined;
}

function extentOf(node: Collection, index: number): Extent {
  if (isMap<Node, Node | null>(node)) {
    const [before, own, next] = [node.items[index - 1], node.items[index], node.items[index + 1]];
    return {
      start: own === undefined ? 0 : startOfPair(own),
      end: own === undefined ? 0 : endOfPair(own),
      next: next && startOfPair(next),
      before: index === 0 || before === undefined ? undefined : endOfPair(before),
    };
  }
  const dash = dashOf(node, index);
  return {
    start: dash ?? slotOf(node, index)?.start ?? 0,
    end: endOfItem(node, index),
    next: node.items[index + 1] === undefined ? undefined : slotOf(node, index + 1)?.start,
    before: index === 0 ? undefined : endOfItem(node, index - 1),
  };
}

/** What a removal takes away, and how its place is found again. */
export interface Removal extends Span {
  readonly column: number;
  readonly gap: number;
}

/** `gap` of a key that stands behind its list's dash. */
const behindDash = -1;
/** `gap` of the last lines of a text whose last line has no end: the end of the line before goes with them. */
const openEnd = -2;

function countLines(text: string): number {
  return text.split("\n").length - 1;
}

/** Takes an entry out that is not the only one. Comments around it stay. */
export function cutEntry(text: string, node: Collection, index: number): Removal {
  const { start, end, next, before } = extentOf(node, index);
  if (isFlow(node)) {
    const span = next === undefined ? { start: before ?? start, end } : { start, end: next };
    return { ...span, column: -1, gap: 0 };
  }
  const column = start - lineStart(text, start);
  if (indentAt(text, start) === undefined) return { start, end: next ?? end, column, gap: behindDash };
  const lines = { start: lineStart(text, start), end: nextLine(text, end) };
  if (lines.end === text.length && !text.endsWith("\n") && lines.start > 0) {
    const eol = text.endsWith("\r\n", lines.start) ? 2 : 1;
    return { start: lines.start - eol, end: lines.end, column, gap: openEnd };
  }
  const between =
    before === undefined
      ? text.slice(lines.end, lineStart(text, next ?? lines.end))
      : text.slice(nextLine(text, before), lines.start);
  return { ...lines, column, gap: countLines(between) };
}

/** Lines that are indented by so much more or less. */
function shift(lines: string, by: number): string {
  if (by === 0) return lines;
  const pattern = by > 0 ? /^(?=[^\r\n])/gm : new RegExp(`^ {0,${-by}}`, "gm");
  return lines.replace(pattern, by > 0 ? " ".repeat(by) : "");
}

export interface Put {
  readonly text: string;
  readonly column: number;
  readonly position: number;
  readonly gap: number;
}

const commentLine = /^[ \t]*(?:#[^\r\n]*)?\r?\n/;

function skipComments(text: string, from: number, count: number): number {
  let at = from;
  for (let left = count; left > 0; left--) {
    const line = commentLine.exec(text.slice(at))?.[0];
    if (line === undefined) return at;
    at += line.length;
  }
  return at;
}

function skipCommentsBack(text: string, from: number, count: number): number {
  let at = from;
  for (let left = count; left > 0 && at > 0; left--) {
    const start = lineStart(text, at - 1);
    if (!commentLine.test(text.slice(start, at))) return at;
    at = start;
  }
  return at;
}

/** Puts a key back where it stood; undefined where the text is laid out in another way than it was. */
export function putPair(text: string, map: MapNode, put: Put): Splice | undefined {
  const [first] = map.items;
  const after: Pair<Node, Node | null> | undefined = map.items[put.position];
  const before = map.items[Math.min(put.position, map.items.length) - 1];
  if (isFlow(map) !== (put.column === -1) || first === undefined) return undefined;
  if (isFlow(map)) {
    const at = after === undefined ? endOfPair(before ?? first) : startOfPair(after);
    return { start: at, end: at, text: put.text };
  }
  if (put.gap === openEnd) {
    const isAlike = columnOf(text, map) === put.column;
    return isAlike ? { start: text.length, end: text.length, text: put.text } : undefined;
  }
  const isBehindDash = indentAt(text, startOfPair(first)) === undefined;
  if (put.gap === behindDash) {
    const at = startOfPair(first);
    const isAlike = isBehindDash && columnOf(text, map) === put.column;
    return isAlike ? { start: at, end: at, text: put.text } : undefined;
  }
  if (before === undefined && isBehindDash) return undefined;
  const at =
    before === undefined
      ? skipCommentsBack(text, lineStart(text, startOfPair(first)), put.gap)
      : skipComments(text, nextLine(text, endOfPair(before)), put.gap);
  return insertLines(text, at, shift(put.text, columnOf(text, map) - put.column));
}

/** Replaces a value, anchor and all, by one on the same line. */
export function setSlot(slot: Span, node: Collection, value: unknown): Splice {
  const isPlain = !isFlow(node) && typeof value !== "object";
  const text = isPlain ? stringifyYaml(value).trimEnd() : JSON.stringify(value);
  return { ...slot, text: ` ${text.includes("\n") ? JSON.stringify(value) : text}` };
}

/** The value as it was written; `column` is that of the key then. */
export function resetSlot(
  text: string,
  slot: Span,
  node: Collection,
  put: Pick<Put, "text" | "column">,
): Splice | undefined {
  if (isFlow(node) !== (put.column === -1)) return undefined;
  const [first = "", ...others] = put.text.split(/(?<=\n)/);
  const column = isMap<Node, Node | null>(node) ? columnOf(text, node) : put.column;
  return { ...slot, text: first + shift(others.join(""), column - put.column) };
}
