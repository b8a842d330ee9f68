import { isPrintable, replaceRunes } from "./go-text.ts";

/** Text for a place between the quotes of a JavaScript or JSON string. */
export function escapeForScript(bytes: string): string {
  return replaceRunes(bytes, (character, written) => {
    if (character === undefined) return written;
    if (character === "\\" || character === "'" || character === '"') return `\\${character}`;
    const code = character.codePointAt(0) ?? 0;
    const isPlain = code < 0x80 ? code >= 0x20 && !"<>&=".includes(character) : isPrintable(character);
    return isPlain ? written : `\\u${code.toString(16).toUpperCase().padStart(4, "0")}`;
  });
}

const htmlNames: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
  "\0": "\u00ef\u00bf\u00bd",
};

export function escapeForHtml(bytes: string): string {
  return bytes.replaceAll(/[&<>"'\0]/g, (character) => htmlNames[character] ?? character);
}

/** For a value in a URL's query: a blank is a plus. */
export function escapeForQuery(bytes: string): string {
  return bytes.replaceAll(/[^A-Za-z0-9_.~-]/g, (character) =>
    character === " " ? "+" : `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}
