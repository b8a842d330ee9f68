import { isJsonObject, type JsonObject } from "./field-reader.ts";

/** Where in an object: keys of maps, indexes of lists. */
export type EditPath = readonly (string | number)[];

/**
 * One change of an object. Decided apart from what it is applied to: an object, a JSON patch, or the text of a YAML file. `set`
 * makes the maps on the way that are missing; `append` adds to the list at `path`.
 */
export type Edit =
  | { readonly op: "set"; readonly path: EditPath; readonly value: unknown }
  | { readonly op: "append"; readonly path: EditPath; readonly value: unknown }
  | { readonly op: "remove"; readonly path: EditPath };

/** What stands at `path`; undefined when nothing does. */
export function readPath(object: unknown, path: EditPath): unknown {
  return path.reduce<unknown>((value, key) => {
    if (Array.isArray(value) && typeof key === "number") return value[key];
    return isJsonObject(value) ? value[key] : undefined;
  }, object);
}

/** How many of the path's parts lead to a map or list that is there. */
export function countFound(object: unknown, path: EditPath): number {
  let value = object;
  for (const [count, key] of path.entries()) {
    value = readPath(value, [key]);
    if (typeof value !== "object" || value === null) return count;
  }
  return path.length;
}

/** `value` inside the maps of `keys`, outermost first. */
export function nest(keys: EditPath, value: unknown): unknown {
  return keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}

/** Where a `set` really writes, and what: the first part of the path that is missing, with all that comes below it. */
function toWrite(object: unknown, edit: Edit & { op: "set" }): { path: EditPath; value: unknown } {
  const found = countFound(object, edit.path.slice(0, -1));
  return { path: edit.path.slice(0, found + 1), value: nest(edit.path.slice(found + 1), edit.value) };
}

function applyTo(object: unknown, edit: Edit): void {
  if (edit.op === "append") {
    const list = readPath(object, edit.path);
    if (Array.isArray(list)) list.push(edit.value);
    return;
  }
  const { path, value } = edit.op === "set" ? toWrite(object, edit) : { path: edit.path, value: undefined };
  const parent = readPath(object, path.slice(0, -1));
  const key = path.at(-1) ?? "";
  if (typeof parent !== "object" || parent === null) return;
  if (edit.op === "set") Reflect.set(parent, String(key), value);
  else Reflect.deleteProperty(parent, String(key));
}

/** A copy of `object` with the changes. */
export function applyEdits(object: JsonObject, edits: readonly Edit[]): JsonObject {
  const copy = structuredClone(object);
  for (const edit of edits) applyTo(copy, edit);
  return copy;
}

function escapePointer(part: string | number): string {
  return String(part).replaceAll("~", "~0").replaceAll("/", "~1");
}

function toPointer(path: EditPath): string {
  return path.map((part) => `/${escapePointer(part)}`).join("");
}

/** A JSON patch of `object` (RFC 6902); `add` also replaces what is there. */
export function toJsonPatch(object: JsonObject, edits: readonly Edit[]): JsonObject[] {
  const copy = structuredClone(object);
  return edits.map((edit) => {
    const write = edit.op === "set" ? toWrite(copy, edit) : edit;
    applyTo(copy, edit);
    if (edit.op === "remove") return { op: "remove", path: toPointer(edit.path) };
    const path = edit.op === "append" ? [...edit.path, "-"] : write.path;
    return { op: "add", path: toPointer(path), value: "value" in write ? write.value : undefined };
  });
}
