import fc from "fast-check";
import { expect, test } from "vitest";
import { PieceList } from "../../packages/dataplane/src/piece-list.ts";

test("whatever is put in and taken out: the bytes are those that came, in their order, and no piece changes once it is out", () => {
  const length = fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 3000 }), fc.nat({ max: 9000 }));
  const step = fc.oneof(
    { arbitrary: fc.record({ length: length.map((nat) => nat + 1) }), weight: 8 },
    { arbitrary: fc.constant("shift" as const), weight: 2 },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const list = new PieceList();
      const taken: Uint8Array[] = [];
      let put = 0;
      const expected: number[] = [];
      for (const each of steps) {
        if (each === "shift") taken.push(...[list.shift()].filter((piece) => piece !== undefined));
        else {
          const piece = Uint8Array.from({ length: each.length }, () => put++ % 251);
          expected.push(...piece);
          list.push(piece);
        }
      }
      expect(Buffer.concat([...taken, ...list.pieces])).toEqual(Buffer.from(expected));
    }),
    { numRuns: 300, seed: 20261126 },
  );
});

test("bytes that come one by one share their memory", () => {
  const list = new PieceList();
  for (let count = 0; count < 10_000; count++) list.push(Buffer.of(count));
  expect(list.pieces.length).toBe(3);
  expect(list.bytes).toBe(10_000);
});
