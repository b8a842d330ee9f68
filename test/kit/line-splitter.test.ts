import { LineSplitter } from "@sluice/kit";
import { describe, expect, test } from "vitest";

function split(chunks: readonly Uint8Array[], maxChars = 100): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter(maxChars);
  for (const chunk of chunks) splitter.push(chunk, (line) => lines.push(line) > 0);
  return lines;
}

describe("line splitter", () => {
  test("lines come out whole wherever the bytes are cut, also inside a character", () => {
    const bytes = Buffer.from('{"a":"é€😀"}\nb\n\nc\nrest');
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(split([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(['{"a":"é€😀"}', "b", "c"]);
    }
    expect(split([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(['{"a":"é€😀"}', "b", "c"]);
  });

  test("a line beyond the bound throws, complete or not", () => {
    expect(() => split([Buffer.from("12345678901\n")], 10)).toThrow("too long");
    expect(() => split([Buffer.from("123456"), Buffer.from("78901")], 10)).toThrow("too long");
    expect(split([Buffer.from("1234567890\n")], 10)).toEqual(["1234567890"]);
  });

  test("bytes that are not UTF-8 throw", () => {
    expect(() => split([Uint8Array.of(0x7b, 0xff, 0xfe, 0x0a)])).toThrow(TypeError);
  });

  test("a reader that has enough gets no more lines", () => {
    const lines: string[] = [];
    new LineSplitter(10).push(Buffer.from("a\nb\nc\n"), (line) => lines.push(line) < 2);
    expect(lines).toEqual(["a", "b"]);
  });
});
