import { parseAllDocuments, stringify, type Document, type ToStringOptions } from "yaml";

/** More aliases than any manifest needs; a YAML bomb needs many. */
export const maxAliasCount = 100;

/** Types of YAML 1.1 that kubectl does not know: to it these are texts. */
const unknownToKubectl: ReadonlySet<string> = new Set([
  "tag:yaml.org,2002:timestamp",
  "tag:yaml.org,2002:binary",
]);

/**
 * As kubectl reads YAML: version 1.1, in which `0644` is octal, `yes` is true and `<<` merges maps, but neither times nor
 * `1:30` are anything but texts.
 */
const options = {
  version: "1.1",
  keepSourceTokens: true,
  customTags: (tags: readonly { readonly tag: string; readonly format?: string }[]) =>
    tags.filter(({ tag, format }) => !unknownToKubectl.has(tag) && format !== "TIME"),
} as const;

/** The documents of a stream; what is wrong with one is in its `errors`. */
export function parseYaml(text: string): Document.Parsed[] {
  return [...parseAllDocuments(text, options as object)] as Document.Parsed[];
}

/** YAML that every version reads alike: `on`, `012` and `1_000` are in quotes when they are texts. */
export function stringifyYaml(value: unknown, style: ToStringOptions = {}): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, compat: "yaml-1.1", ...style });
}
