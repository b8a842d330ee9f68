import { isJsonObject } from "./field-reader.ts";

/** An entry of a list by something it is known by, such as its name, which holds when others come and go before it. */
export type EntryMark = Readonly<Record<string, string | number>>;

export type UndoPath = readonly (string | number | EntryMark)[];

/**
 * How one change of a text is taken back. `text` is what stood there, letter by letter; `value` is what it meant, for a text that
 * has been laid out anew since. `column` is how far its lines were indented, -1 inside brackets.
 */
export type Undo =
  | {
      readonly op: "remove";
      readonly path: UndoPath;
      /** Maps that were made for it; they go with it when nothing else is in them. */
      readonly made: number;
    }
  | {
      readonly op: "put";
      readonly path: UndoPath;
      readonly value: unknown;
      readonly text: string;
      readonly column: number;
      /** Which key of its map it was. */
      readonly position: number;
      /** Lines of comments between it and the key before it; the key after it, where it was the first. */
      readonly gap: number;
    }
  | {
      readonly op: "reset";
      readonly path: UndoPath;
      readonly value: unknown;
      readonly text: string;
      readonly column: number;
    };

function isPath(value: unknown): value is UndoPath {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((part) => ["string", "number"].includes(typeof part) || isJsonObject(part))
  );
}

function isUndo(value: unknown): value is Undo {
  if (!isJsonObject(value) || !isPath(value["path"])) return false;
  const { op, text, column, position, gap, made } = value;
  if (op === "remove") return typeof made === "number";
  const hasText = typeof text === "string" && typeof column === "number";
  return (
    hasText && (op === "reset" || (op === "put" && typeof position === "number" && typeof gap === "number"))
  );
}

/** What the annotation says; undefined when it is nothing that we wrote. */
export function parseUndos(text: string): readonly Undo[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every(isUndo) ? value : undefined;
  } catch {
    // Somebody edited it; the caller says so.
    return undefined;
  }
}
