import { expect, test } from "vitest";
import { recordMaximum, type RecentMaximum } from "../../packages/aggregator/src/recent-maximum.ts";

test("the maximum of the last five slots is Knative's", () => {
  let maxima: readonly RecentMaximum[] = [];
  const values = [5, 8, 5, 7, 5, 5, 1, 4, 4, 4];
  const seen = values.map((value, slot) => {
    maxima = recordMaximum(maxima, slot, value, 5);
    return maxima[0]?.value;
  });
  expect(seen).toEqual([5, 8, 8, 8, 8, 8, 7, 7, 5, 5]);
});

test("one slot keeps its largest value", () => {
  let maxima = recordMaximum([], 1, 5, 5);
  maxima = recordMaximum(maxima, 1, 3, 5);
  maxima = recordMaximum(maxima, 1, 9, 5);
  expect(maxima).toEqual([{ slot: 1, value: 9 }]);
});
