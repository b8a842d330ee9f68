import { isJsonObject, type JsonObject } from "./field-reader.ts";

/** Where in an object: keys of maps, indexes of lists; `-` is the place after a list's last entry. */
export type EditPath = readonly (string | number)[];

/** One change of an object. Decided apart from what it is applied to: a YAML document, or a JSON patch. */
export type Edit =
  | {
      readonly op: "set";
      readonly path: EditPath;
      readonly value: unknown;
      /** Where among the keys of its map a key stands that comes back. */
      readonly position?: number;
    }
  | { readonly op: "remove"; readonly path: EditPath };

/** What stands at `path`; undefined when nothing does. */
export function readPath(object: unknown, path: EditPath): unknown {
  return path.reduce<unknown>((value, key) => {
    if (Array.isArray(value) && typeof key === "number") return value[key];
    return isJsonObject(value) ? value[key] : undefined;
  }, object);
}

/**
 * The change that takes `edit` back, computed on the object before it. Removing what was added last and putting back
 * what was there needs no copy of the whole object.
 */
export function invertEdit(object: JsonObject, edit: Edit): Edit {
  const parentPath = edit.path.slice(0, -1);
  const parent = readPath(object, parentPath);
  const key = edit.path.at(-1);
  if (key === "-") {
    return { op: "remove", path: [...parentPath, Array.isArray(parent) ? parent.length : 0] };
  }
  const before = readPath(object, edit.path);
  if (before === undefined) return { op: "remove", path: edit.path };
  if (edit.op === "set") return { op: "set", path: edit.path, value: before };
  const position = isJsonObject(parent) ? Object.keys(parent).indexOf(String(key)) : undefined;
  return { op: "set", path: edit.path, value: before, ...(position === undefined ? {} : { position }) };
}

function applyTo(parent: unknown, edit: Edit): void {
  const key = edit.path.at(-1);
  if (Array.isArray(parent)) {
    if (edit.op === "remove") parent.splice(Number(key), 1);
    else if (key === "-") parent.push(edit.value);
    else parent[Number(key)] = edit.value;
  } else if (typeof parent === "object" && parent !== null) {
    if (edit.op === "remove") Reflect.deleteProperty(parent, String(key));
    else Reflect.set(parent, String(key), edit.value);
  }
}

/** A copy of `object` with the changes. */
export function applyEdits(object: JsonObject, edits: readonly Edit[]): JsonObject {
  const copy = structuredClone(object);
  for (const edit of edits) applyTo(readPath(copy, edit.path.slice(0, -1)), edit);
  return copy;
}

function escapePointer(part: string | number): string {
  return String(part).replaceAll("~", "~0").replaceAll("/", "~1");
}

/** A JSON patch (RFC 6902); `add` also replaces what is there. */
export function toJsonPatch(edits: readonly Edit[]): JsonObject[] {
  return edits.map((edit) => {
    const path = edit.path.map((part) => `/${escapePointer(part)}`).join("");
    return edit.op === "remove" ? { op: "remove", path } : { op: "add", path, value: edit.value };
  });
}
