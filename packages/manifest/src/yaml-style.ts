import type { ToStringOptions } from "yaml";

/** How a text is laid out, so that what is written back looks as if its author had typed it. */
export function readYamlStyle(text: string): ToStringOptions {
  const indented = /^( +)\S/m.exec(text)?.[1] ?? "  ";
  return {
    lineWidth: 0,
    indent: Math.max(2, indented.length),
    // `key:` and its `- items` in one column, as kubectl prints them.
    indentSeq: !/^( *)[^\s#-][^\n]*:\n\1- /m.test(text),
    flowCollectionPadding: /[[{] /.test(text),
  };
}
