import { isMap, isSeq, type Document, type Node } from "yaml";
import { nest, type Edit, type EditPath } from "./edit.ts";
import { maxAliasCount, parseYaml } from "./kubernetes-yaml.ts";
import type { Undo, UndoPath } from "./undo.ts";
import { isFlow, slotOf, type Collection, type Span } from "./yaml-place.ts";
import {
  appendItem,
  applySplice,
  columnOf,
  cutEntry,
  insertPair,
  putPair,
  resetSlot,
  setSlot,
  type Splice,
} from "./yaml-splice.ts";
import { childOf, findShared, toUndoPath, walk } from "./yaml-walk.ts";

/** An entry of a map or list, by its place. */
interface Spot {
  readonly node: Collection;
  readonly index: number;
}

/**
 * The text of one document that is changed in place: everything but the lines of a change stays as it is, letter by letter, and
 * each change says how it is taken back. Throws Error for text that cannot be changed so.
 */
export class YamlText {
  #text: string;
  #document: Document.Parsed;

  constructor(text: string) {
    this.#text = text;
    this.#document = parseOne(text);
  }

  get text(): string {
    return this.#text;
  }

  toObject(): unknown {
    return this.#document.toJS({ maxAliasCount });
  }

  /** Makes a change; what it returns takes it back, in this order. */
  apply(edit: Edit): Undo[] {
    const parted = this.#part(edit.path);
    return [this.#change(edit), ...parted];
  }

  /** Takes a change back; where there is nothing to take back any more, nothing happens. */
  undo(undo: Undo): void {
    if (undo.op === "remove") this.#remove(undo.path, undo.made);
    else if (undo.op === "put") this.#put(undo);
    else this.#reset(undo);
  }

  /** Writes out what is shared by aliases, as far as a change at `path` would change it. */
  #part(path: EditPath): Undo[] {
    const undos: Undo[] = [];
    for (let shared = findShared(this.#document, path); shared; shared = findShared(this.#document, path)) {
      undos.unshift(this.#replace(shared.path, shared.value));
    }
    return undos;
  }

  #change(edit: Edit): Undo {
    if (edit.op === "append") return this.#append(edit.path, edit.value);
    if (edit.op === "remove") return this.#cut(edit.path);
    const { collections, indexes } = walk(this.#document, edit.path);
    const isThere = indexes.at(-1) !== -1;
    const depth = indexes.length;
    const value = nest(edit.path.slice(depth), edit.value);
    if (isThere) return this.#replace(edit.path.slice(0, depth), value);
    const map = collections.at(-1);
    if (!isMap<Node, Node | null>(map)) throw new Error(`nothing can be added at ${edit.path.join(".")}`);
    const path = toUndoPath(this.#document, edit.path);
    this.#splice(insertPair(this.#text, map, String(edit.path[depth - 1]), value));
    return { op: "remove", path, made: edit.path.length - depth };
  }

  #replace(path: EditPath, value: unknown): Undo {
    const { node, index } = this.#require(path);
    const slot = this.#slot({ node, index }, path);
    const undo: Undo = {
      op: "reset",
      path: toUndoPath(this.#document, path),
      value: childOf(node, index)?.toJS(this.#document, { maxAliasCount }) as unknown,
      text: this.#text.slice(slot.start, slot.end),
      column: this.#columnOf(node),
    };
    this.#splice(setSlot(slot, node, value));
    return undo;
  }

  #append(path: EditPath, value: unknown): Undo {
    const { node, index } = this.#require(path);
    const list = childOf(node, index);
    if (!isSeq<Node>(list)) throw new Error(`${path.join(".")} is no list`);
    const last = list.items.length;
    this.#splice(appendItem(this.#text, list, value));
    return { op: "remove", path: toUndoPath(this.#document, [...path, last]), made: 0 };
  }

  #cut(path: EditPath): Undo {
    const { node, index } = this.#require(path);
    if (node.items.length === 1) throw new Error(`${path.join(".")} is the only entry of what it is in`);
    const value = childOf(node, index)?.toJS(this.#document, { maxAliasCount }) as unknown;
    const undoPath = toUndoPath(this.#document, path);
    const { column, gap, ...span } = cutEntry(this.#text, node, index);
    const text = this.#text.slice(span.start, span.end);
    this.#splice({ ...span, text: "" });
    return { op: "put", path: undoPath, value, text, column, position: index, gap };
  }

  #remove(path: UndoPath, made: number): void {
    const spot = this.#find(path);
    if (spot === undefined) return;
    const { node, index } = spot;
    const isOnly = node.items.length === 1;
    if (isOnly && made > 0) this.#remove(path.slice(0, -1), made - 1);
    else if (!isOnly || isFlow(node)) this.#splice({ ...cutEntry(this.#text, node, index), text: "" });
    else {
      const parent = this.#find(path.slice(0, -1));
      const slot = parent && slotOf(parent.node, parent.index);
      if (parent !== undefined && slot !== undefined)
        this.#splice(setSlot(slot, parent.node, isMap(node) ? {} : []));
    }
  }

  #put(undo: Undo & { op: "put" }): void {
    const { collections, indexes } = walk(this.#document, undo.path);
    const map = collections.at(-1);
    const key = undo.path.at(-1);
    const isMissing = indexes.length === undo.path.length && indexes.at(-1) === -1;
    if (!isMissing || !isMap<Node, Node | null>(map) || typeof key !== "string") return;
    const verbatim = putPair(this.#text, map, undo);
    if (!this.#trySplice(verbatim, undo)) this.#splice(insertPair(this.#text, map, key, undo.value));
  }

  #reset(undo: Undo & { op: "reset" }): void {
    const spot = this.#find(undo.path);
    const slot = spot && slotOf(spot.node, spot.index);
    if (spot === undefined || slot === undefined) return;
    const verbatim = resetSlot(this.#text, slot, spot.node, undo);
    if (!this.#trySplice(verbatim, undo)) this.#splice(setSlot(slot, spot.node, undo.value));
  }

  #columnOf(node: Collection): number {
    if (isFlow(node)) return -1;
    return isMap<Node, Node | null>(node) ? columnOf(this.#text, node) : 0;
  }

  #find(path: UndoPath): Spot | undefined {
    const { collections, indexes } = walk(this.#document, path);
    const [node, index] = [collections.at(-1), indexes.at(-1)];
    const isFound =
      indexes.length === path.length && node !== undefined && index !== undefined && index !== -1;
    return isFound ? { node, index } : undefined;
  }

  #require(path: EditPath): Spot {
    const spot = this.#find(path);
    if (spot === undefined) throw new Error(`nothing is at ${path.join(".")}`);
    return spot;
  }

  #slot(spot: Spot, path: EditPath): Span {
    const slot = slotOf(spot.node, spot.index);
    if (slot === undefined) throw new Error(`${path.join(".")} has no colon`);
    return slot;
  }

  #splice(splice: Splice): void {
    const text = applySplice(this.#text, splice);
    this.#document = parseOne(text);
    this.#text = text;
  }

  /** False, and nothing changed, when there is nothing to do, or when the text would say something else than it said. */
  #trySplice(splice: Splice | undefined, { path, value }: { path: UndoPath; value: unknown }): boolean {
    if (splice === undefined) return false;
    const [text, document] = [this.#text, this.#document];
    try {
      this.#splice(splice);
      this.toObject();
      if (JSON.stringify(this.#read(path)) === JSON.stringify(value)) return true;
    } catch {
      // An anchor is gone, or somebody laid the text out anew.
    }
    this.#text = text;
    this.#document = document;
    return false;
  }

  #read(path: UndoPath): unknown {
    const spot = this.#find(path);
    return spot && (childOf(spot.node, spot.index)?.toJS(this.#document, { maxAliasCount }) as unknown);
  }
}

function parseOne(text: string): Document.Parsed {
  const [document, ...others] = parseYaml(text);
  const [error] = document?.errors ?? [];
  if (document === undefined || others.length > 0) throw new Error("is not one document");
  if (error !== undefined) throw new Error(error.message.trim());
  return document;
}
