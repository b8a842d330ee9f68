import { isMap, isScalar, isSeq, type Document, type Node, type YAMLMap } from "yaml";
import type { Edit } from "./edit.ts";

function insertAt(document: Document, map: YAMLMap, key: string, value: unknown, position: number): void {
  map.items.splice(position, 0, document.createPair(key, value));
}

/** Writes one change into a document; everything else keeps its order, comments and quoting. */
export function applyEdit(document: Document, edit: Edit): void {
  if (edit.op === "remove") {
    document.deleteIn(edit.path);
    return;
  }
  const key = edit.path.at(-1);
  const parentPath = edit.path.slice(0, -1);
  const parent = document.getIn(parentPath, true) as Node | undefined;
  if (isSeq(parent) && key === "-") {
    parent.add(document.createNode(edit.value));
  } else if (isMap(parent) && edit.position !== undefined && typeof key === "string") {
    insertAt(document, parent, key, edit.value, edit.position);
  } else {
    setKeepingComment(document, edit);
  }
}

/** A scalar that is replaced keeps the comment beside it. */
function setKeepingComment(document: Document, edit: Edit & { op: "set" }): void {
  const before = document.getIn(edit.path, true);
  const after = document.createNode(edit.value);
  if (isScalar(before) && before.comment !== undefined && before.comment !== null) {
    after.comment = before.comment;
  }
  document.setIn(edit.path, after);
}
