import type { ToStringOptions } from "yaml";

/** Spaces by which the first map inside another is indented. */
function readIndent(text: string): number {
  const nested = /^( *)(?:- )*[^\s#-][^\n]*:[ \t]*\r?\n(\1 +)[^\s#-]/m.exec(text);
  return nested === null ? 2 : (nested[2] ?? "").length - (nested[1] ?? "").length;
}

/** How a text is laid out, so that what is added looks as if its author had typed it. */
export function readYamlStyle(text: string): ToStringOptions {
  return {
    indent: Math.min(8, Math.max(2, readIndent(text))),
    // `key:` and its `- items` in one column, as kubectl prints them.
    indentSeq: !/^( *)[^\s#-][^\n]*:[ \t]*\r?\n\1- /m.test(text),
  };
}
