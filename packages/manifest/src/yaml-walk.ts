import { isAlias, isMap, isPair, isScalar, isSeq, visit, type Alias, type Document, type Node } from "yaml";
import type { EditPath } from "./edit.ts";
import { maxAliasCount } from "./kubernetes-yaml.ts";
import type { EntryMark, UndoPath } from "./undo.ts";
import { toKeyText, type Collection } from "./yaml-place.ts";

/** How far a path leads in a document. */
export interface Walk {
  /** The maps and lists on the way, the document's own first. */
  readonly collections: readonly Collection[];
  /** Which entry of each leads on; -1 where none does. */
  readonly indexes: readonly number[];
}

const mergeKey = "<<";
/** By what entries of Kubernetes' lists are known. */
const markNames = ["name", "port", "containerPort"] as const;

export function isCollection(node: unknown): node is Collection {
  return isMap(node) || isSeq(node);
}

function readScalar(node: Node | undefined, name: string): unknown {
  if (!isMap<Node, Node | null>(node)) return undefined;
  const value = node.items.find((pair) => toKeyText(pair) === name)?.value;
  return isScalar(value) ? value.value : undefined;
}

function indexOf(node: Collection, part: string | number | EntryMark): number {
  if (isMap<Node, Node | null>(node)) {
    return typeof part === "string" ? node.items.findIndex((pair) => toKeyText(pair) === part) : -1;
  }
  if (typeof part === "number") return part < node.items.length ? part : -1;
  if (typeof part === "string") return -1;
  return node.items.findIndex((item) =>
    Object.entries(part).every(([name, value]) => readScalar(item, name) === value),
  );
}

export function childOf(node: Collection, index: number): Node | null | undefined {
  const entry = node.items[index];
  return isPair<Node, Node | null>(entry) ? entry.value : entry;
}

export function walk(document: Document, path: UndoPath): Walk {
  const collections: Collection[] = [];
  const indexes: number[] = [];
  let node: unknown = document.contents;
  for (const part of path) {
    if (!isCollection(node)) break;
    const index = indexOf(node, part);
    collections.push(node);
    indexes.push(index);
    node = index === -1 ? undefined : childOf(node, index);
  }
  return { collections, indexes };
}

/** The same path with entries of lists by name or port, where that says which one. */
export function toUndoPath(document: Document, path: EditPath): UndoPath {
  const { collections } = walk(document, path);
  return path.map((part, at) => {
    const list = collections[at];
    if (typeof part !== "number" || !isSeq<Node>(list)) return part;
    for (const name of markNames) {
      const values = list.items.map((item) => readScalar(item, name));
      const value = values[part];
      const isMark = typeof value === "string" || typeof value === "number";
      if (isMark && values.filter((other) => other === value).length === 1) return { [name]: value };
    }
    return part;
  });
}

/** A node that has to be written out before something below it, or what it stands for, can be changed. */
export interface Shared {
  readonly path: EditPath;
  readonly value: unknown;
}

function toShared(document: Document, node: Node, path: EditPath): Shared {
  return { path, value: node.toJS(document, { maxAliasCount }) as unknown };
}

function toPath(chain: readonly unknown[]): EditPath {
  return chain.flatMap((child, at) => {
    const parent = chain[at - 1];
    if (isMap(parent) && isPair<Node, Node | null>(child)) return toKeyText(child) ?? [];
    return isSeq(parent) ? parent.items.indexOf(child) : [];
  });
}

/** The first alias elsewhere of something that has an anchor in `node`, or is `node` itself. */
function findAliasInto(document: Document, node: Node, isDeep: boolean): Shared | undefined {
  const inside = new Set<unknown>();
  const own = new Set<unknown>();
  visit(node, (_key, child) => {
    own.add(child);
    const { anchor } = child as { anchor?: string };
    if (anchor !== undefined) inside.add(child);
    return isDeep ? undefined : visit.BREAK;
  });
  let found: Shared | undefined;
  visit(document, {
    Alias(_key, alias: Alias, ancestors) {
      const target = alias.resolve(document);
      if (target === undefined || !inside.has(target) || (isDeep && own.has(alias))) return undefined;
      found = toShared(document, alias, toPath([...ancestors, alias]));
      return visit.BREAK;
    },
  });
  return found;
}

/**
 * What stands in the way of a change at `path`: an alias or a merged map on the way, which has to be written out, or an alias
 * elsewhere, which would change with it or be left without what it stands for. One at a time, until there is none.
 */
export function findShared(document: Document, path: EditPath): Shared | undefined {
  let node: Node | null | undefined = document.contents;
  for (const [at, part] of path.entries()) {
    if (!isAlias(node) && !isCollection(node)) return undefined;
    const here = path.slice(0, at);
    const isMerged =
      isMap<Node, Node | null>(node) && node.items.some((pair) => toKeyText(pair) === mergeKey);
    if (isAlias(node) || isMerged) {
      return findAliasInto(document, node, true) ?? toShared(document, node, here);
    }
    const alias = findAliasInto(document, node, false);
    if (alias !== undefined) return alias;
    const index = indexOf(node, part);
    node = index === -1 ? undefined : childOf(node, index);
  }
  return node === null || node === undefined ? undefined : findAliasInto(document, node, true);
}
