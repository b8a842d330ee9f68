import { isMap, isScalar, isSeq, type Document, type Node } from "yaml";
import { toManifestDocument, type ManifestDocument } from "./document.ts";
import { isJsonObject } from "./field-reader.ts";
import { maxAliasCount, parseYaml } from "./kubernetes-yaml.ts";
import type { Problem } from "./problem.ts";
import { dashOf, endOfItem, isFlow, lineStart, nextLine, toKeyText } from "./yaml-place.ts";

/** A piece of a stream: an object that may be changed, or what stands between them and stays as it is. */
export interface StreamPiece {
  /** An object as a document of its own. */
  readonly text: string;
  /** Spaces in front of `text` that are not in the stream: there the dash of a list stands. */
  readonly indent: number;
  /** Undefined for what is no object. */
  readonly manifest?: ManifestDocument;
}

/** Objects that have to be understood. */
const kinds: readonly string[] = ["Deployment", "Service"];

const separator = /^(?=---(?:[ \t\r\n]|$))/m;
/** Directives belong to the document that starts below them. */
const directivesOnly = /^\uFEFF?(?:[ \t]*(?:#[^\n]*)?\r?\n)*(?:%[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*)+$/;

/** Cuts a stream at the document markers; every document keeps its own. */
function splitStream(text: string): string[] {
  const parts = text.split(separator).filter((part) => part !== "");
  return parts.reduce<string[]>((joined, part) => {
    const last = joined.at(-1);
    return last !== undefined && directivesOnly.test(last)
      ? [...joined.slice(0, -1), last + part]
      : [...joined, part];
  }, []);
}

interface Member {
  readonly start: number;
  readonly end: number;
  readonly indent: number;
}

/** Where the members of a `kind: List` stand in its text; undefined for any other document. */
function findMembers(text: string, document: Document): Member[] | undefined {
  const { contents } = document;
  if (!isMap<Node, Node | null>(contents)) return undefined;
  const read = (key: string): Node | null | undefined =>
    contents.items.find((pair) => toKeyText(pair) === key)?.value;
  const items = read("items");
  if (read("kind")?.toJS(document) !== "List" || !isSeq<Node>(items)) return undefined;
  return items.items.flatMap((item, index) => {
    const [start, end] = item.range ?? [];
    if (start === undefined || end === undefined || !isMap<Node, Node | null>(item)) return [];
    const isInline = isFlow(item) || dashOf(items, index) === undefined;
    if (isInline) return [{ start, end, indent: 0 }];
    return [{ start, end: nextLine(text, endOfItem(items, index)), indent: start - lineStart(text, start) }];
  });
}

/** Comments and markers alone. */
function isEmpty({ contents }: Document): boolean {
  return contents === null || (isScalar(contents) && contents.value === null);
}

interface RawPiece {
  readonly text: string;
  readonly indent: number;
  readonly isObject: boolean;
}

function toPieces(text: string, document: Document): RawPiece[] {
  const members = findMembers(text, document);
  if (members === undefined) return [{ text, indent: 0, isObject: !isEmpty(document) }];
  let at = 0;
  const pieces = members.flatMap(({ start, end, indent }) => {
    const before = { text: text.slice(at, start), indent: 0, isObject: false };
    at = end;
    return [before, { text: " ".repeat(indent) + text.slice(start, end), indent, isObject: true }];
  });
  return [...pieces, { text: text.slice(at), indent: 0, isObject: false }];
}

function readPiece(piece: RawPiece, label: string, problems: Problem[]): StreamPiece {
  const { text, indent } = piece;
  if (!piece.isObject) return { text, indent };
  try {
    const [document] = parseYaml(text);
    const object: unknown = document?.toJS({ maxAliasCount });
    const manifest = toManifestDocument(object, label);
    if (!("rule" in manifest)) return { text, indent, manifest };
    // What else is in a folder, a kustomization for instance, is nobody's business here.
    if (isJsonObject(object) && kinds.includes(String(object["kind"]))) problems.push(manifest);
  } catch (error) {
    // The document as a whole was read, so the anchor stands in another member.
    const rule =
      error instanceof ReferenceError
        ? "uses an alias of another member of the list, or too many; write it out"
        : `is not valid YAML: ${String(error)}`;
    problems.push({ object: label, field: "", rule });
  }
  return { text, indent };
}

/** The pieces of a YAML or JSON stream, the members of lists included. What cannot be read is a problem that names its place. */
export function readStream(text: string, source: string, problems: Problem[]): StreamPiece[] {
  return splitStream(text).flatMap((part, index) => {
    const label = `${source}, document ${index + 1}`;
    const [document] = parseYaml(part);
    const error = document?.errors[0];
    if (error !== undefined) {
      problems.push({ object: label, field: "", rule: `is not valid YAML: ${error.message.trim()}` });
    }
    if (document === undefined || error !== undefined) return [{ text: part, indent: 0 }];
    return toPieces(part, document).map((piece) => readPiece(piece, label, problems));
  });
}

/** The stream that the pieces make; an unchanged one is the text that it was read from. */
export function joinStream(pieces: readonly StreamPiece[]): string {
  return pieces.map(({ text, indent }) => text.slice(indent)).join("");
}
