import { describe, expect, test } from "vitest";
import { ItemSplitter } from "../../packages/scaler/src/item-splitter.ts";

interface Split {
  items: unknown[];
  rest: unknown;
}

function split(chunks: readonly Buffer[], maxItemBytes = 1000): Split {
  const items: unknown[] = [];
  const splitter = new ItemSplitter(maxItemBytes, (text) => items.push(JSON.parse(text)));
  for (const chunk of chunks) splitter.push(chunk);
  return { items, rest: JSON.parse(splitter.end()) };
}

const items = [
  { metadata: { name: "a", labels: { "é€😀": '"}],{[\\' } }, spec: { list: [{ deep: [[], {}] }, 1, null] } },
  { metadata: { name: "\\" }, text: '\\"' },
  {},
];

describe("the items of a list", () => {
  test("come out whole wherever the bytes are cut, and the rest is the answer without them", () => {
    const list = { kind: "PodList", metadata: { continue: 'x,"]' }, items, after: { b: [1] } };
    for (const indent of [0, 2]) {
      const bytes = Buffer.from(JSON.stringify(list, undefined, indent));
      const expected = { items, rest: { ...list, items: [] } };
      for (let cut = 0; cut <= bytes.length; cut++) {
        expect(split([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(expected);
      }
      expect(split([...bytes].map((byte) => Buffer.of(byte)))).toEqual(expected);
    }
  });

  test.each([
    ["there are none", '{"metadata":{},"items":[]}'],
    ["the list is null", '{"items":null,"metadata":{"list":[1]}}'],
    ["the answer is none of ours", '"text"'],
  ])("are none where %s", (_title, text) => {
    expect(split([Buffer.from(text)])).toEqual({ items: [], rest: JSON.parse(text) as unknown });
  });

  test("that are longer than anything the API holds are refused, complete or not", () => {
    const text = JSON.stringify({ items: [{ a: "x".repeat(20) }] });
    expect(() => split([Buffer.from(text)], 20)).toThrow("too large");
    expect(() => split([Buffer.from(text.slice(0, -4)), Buffer.from("y")], 20)).toThrow("too large");
    expect(split([Buffer.from(text)], 28).items).toHaveLength(1);
  });

  test("of an answer that was cut off make it no JSON", () => {
    expect(() => split([Buffer.from('{"items":[{"a":1},{"b"')])).toThrow(SyntaxError);
  });
});
