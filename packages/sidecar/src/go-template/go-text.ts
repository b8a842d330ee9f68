/** UTF-8 with a character per byte, which is what a Go string is. */
export function toByteText(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** What bytes say as UTF-8; what is none becomes U+FFFD. */
export function fromByteText(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

const escapePattern = /\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{3})|(.))/gs;

/** Reads what stands between the quotes of a Go text or character. Throws SyntaxError for an escape that Go does not know. */
export function unquote(body: string, quote: '"' | "'"): string {
  return body.replaceAll(
    escapePattern,
    (whole, byte?: string, short?: string, long?: string, octal?: string, simple?: string) => {
      if (byte !== undefined) return String.fromCharCode(Number.parseInt(byte, 16));
      if (octal !== undefined) return toOctetText(Number.parseInt(octal, 8), whole);
      const rune = short ?? long;
      if (rune !== undefined) return toByteText(String.fromCodePoint(Number.parseInt(rune, 16)));
      const other = quote === '"' ? "'" : '"';
      const plain = simple === other ? undefined : simpleEscapes[simple ?? ""];
      if (plain === undefined) throw new SyntaxError(`invalid syntax: ${whole}`);
      return plain;
    },
  );
}

const namedControls: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};

function toOctetText(code: number, written: string): string {
  if (code > 0xff) throw new SyntaxError(`invalid syntax: ${written}`);
  return String.fromCharCode(code);
}

/** One well-formed character of UTF-8 that is more than a byte, or else one byte. */
const runePattern =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[^]/g;

/** Rewrites a text character by character; `character` is undefined for a byte that is no UTF-8. */
export function replaceRunes(
  bytes: string,
  replace: (character: string | undefined, written: string) => string,
): string {
  return bytes.replaceAll(runePattern, (written) => {
    const isBroken = written.length === 1 && written > "\u007f";
    return replace(isBroken ? undefined : fromByteText(written), written);
  });
}

/** Whether Go prints a character as it is: what is neither a control nor a blank, but for the plain blank. */
export function isPrintable(character: string): boolean {
  return character === " " || !/[\p{C}\p{Z}]/u.test(character);
}

/** As Go's `%q` writes it; `isAscii`: as `%+q`. */
export function quote(bytes: string, isAscii = false): string {
  const text = replaceRunes(bytes, (character, written) => {
    if (character === undefined) return `\\x${written.charCodeAt(0).toString(16)}`;
    if (character === '"' || character === "\\") return `\\${character}`;
    const code = character.codePointAt(0) ?? 0;
    if (isPrintable(character) && !(isAscii && code > 0x7f)) return written;
    if (namedControls[character] !== undefined) return namedControls[character];
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `"${text}"`;
}
