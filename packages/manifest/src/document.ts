import { isJsonObject, type JsonObject } from "./field-reader.ts";
import { maxAliasCount, parseYaml } from "./kubernetes-yaml.ts";
import type { Problem } from "./problem.ts";

/** One object of a YAML stream, not judged further than having a kind and a name. */
export interface ManifestDocument {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly object: JsonObject;
}

export interface DocumentSet {
  readonly documents: ManifestDocument[];
  readonly problems: Problem[];
}

/** What a namespaced object without a namespace is in. */
export const defaultNamespace = "default";

/** How messages name an object: `Service default/hello`. */
export function toObjectLabel(document: Pick<ManifestDocument, "kind" | "namespace" | "name">): string {
  return `${document.kind} ${document.namespace}/${document.name}`;
}

/** One object with its kind and name, or what is wrong with it; `label` says where it stands. */
export function toManifestDocument(object: unknown, label: string): ManifestDocument | Problem {
  if (!isJsonObject(object)) return { object: label, field: "", rule: "must be a map", value: object };
  const { apiVersion, kind } = object;
  const metadata = isJsonObject(object["metadata"]) ? object["metadata"] : {};
  const { name, namespace } = metadata;
  if (typeof apiVersion !== "string") {
    return { object: label, field: "apiVersion", rule: "must be set", value: apiVersion };
  }
  if (typeof kind !== "string") return { object: label, field: "kind", rule: "must be set", value: kind };
  if (typeof name !== "string") {
    const rule =
      metadata["generateName"] === undefined
        ? "must be set"
        : "must be set; generateName is not supported, because every apply would make another one";
    return { object: `${label}, ${kind}`, field: "metadata.name", rule, value: name };
  }
  const isNamed = typeof namespace === "string" && namespace !== "";
  return { apiVersion, kind, name, namespace: isNamed ? namespace : defaultNamespace, object };
}

/** The members of a `kind: List`, or the object itself. */
function unpackList(object: unknown): readonly unknown[] {
  if (!isJsonObject(object) || object["kind"] !== "List") return [object];
  return Array.isArray(object["items"]) ? object["items"] : [];
}

/**
 * Every object of a YAML stream of one or more documents; empty documents are passed over. A document that cannot
 * be read is a problem that names its place: `source`, document and line.
 */
export function readDocuments(text: string, source = "manifest"): DocumentSet {
  const result: DocumentSet = { documents: [], problems: [] };
  for (const [index, yaml] of parseYaml(text).entries()) {
    const label = `${source}, document ${index + 1}`;
    const [error] = yaml.errors;
    if (error !== undefined) {
      result.problems.push({ object: label, field: "", rule: `is not valid YAML: ${error.message.trim()}` });
      continue;
    }
    if (yaml.contents === null) continue;
    try {
      for (const object of unpackList(yaml.toJS({ maxAliasCount }))) {
        if (object === null) continue;
        const document = toManifestDocument(object, label);
        if ("rule" in document) result.problems.push(document);
        else result.documents.push(document);
      }
    } catch (error) {
      result.problems.push({ object: label, field: "", rule: `is not valid YAML: ${String(error)}` });
    }
  }
  return result;
}
