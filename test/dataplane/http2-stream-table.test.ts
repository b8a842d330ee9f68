import fc from "fast-check";
import { expect, test } from "vitest";
import { StreamTable } from "../../packages/dataplane/src/http2/stream-table.ts";

test("streams are found while they are open, whichever came and went before", () => {
  const step = fc.record({ kind: fc.constantFrom("open", "open", "close"), which: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.constantFrom(2, 32, 64, 34), (steps, stride) => {
      const table = new StreamTable<{ readonly id: number }>(true);
      const model = new Map<number, { readonly id: number }>();
      let id = 1;
      for (const { kind, which } of steps) {
        const open = [...model.values()];
        const chosen = open[which % Math.max(1, open.length)];
        if (kind === "close" && chosen !== undefined) {
          table.delete(chosen);
          // Harmless the second time.
          table.delete(chosen);
          model.delete(chosen.id);
        } else if (kind === "open") {
          const stream = { id };
          table.add(stream);
          model.set(id, stream);
          // Numbers that want the same place.
          id += stride;
        }
        expect(table.size).toBe(model.size);
        for (let known = 1; known <= id; known += stride) expect(table.get(known)).toBe(model.get(known));
        expect(new Set(table.values())).toEqual(new Set(model.values()));
      }
    }),
    { numRuns: 60, seed: 20261126 },
  );
});
