import { describe, expect, test } from "vitest";
import { LoadWindow } from "../../packages/aggregator/src/load-window.ts";

const start = 1_700_000_000;

function createWindow(values: readonly number[] = []): LoadWindow {
  const window = new LoadWindow(5);
  for (const [second, value] of values.entries()) window.record(start + second, value, value * 10);
  return window;
}

function average(window: LoadWindow, second: number, metric: "concurrency" | "rps" = "concurrency"): number {
  return window.average(start + second, metric, "linear");
}

describe("linear average", () => {
  test("leaves out the head that is not filled yet", () => {
    expect(average(createWindow([1]), 0)).toBe(1);
    expect(average(createWindow([1, 2, 3, 4, 5]), 4)).toBe(3);
  });

  test("keeps both metrics of the same seconds", () => {
    expect(average(createWindow([1, 2, 3, 4, 5]), 4, "rps")).toBe(30);
  });

  test("leaves out trailing seconds without a report, then is zero", () => {
    const window = createWindow([1, 2, 3, 4, 5]);
    expect(average(window, 6)).toBe((15 - 1 - 2) / 3);
    expect(average(window, 10)).toBe(0);
  });

  test("counts gaps in the middle as zero", () => {
    const window = createWindow([1, 2, 3, 4, 5]);
    window.record(start + 6, 91, 0);
    expect(average(window, 6)).toBe((15 - 1 - 2 + 91) / 5);
  });

  test("starts afresh after a gap as long as the window", () => {
    const window = createWindow([1, 2, 3, 4, 5]);
    window.record(start + 66, 1984, 0);
    expect(average(window, 66)).toBe(1984);
  });

  test("takes late reports while they are inside the window, and moves the head back for them", () => {
    const window = createWindow();
    window.record(start + 66, 1984, 0);
    window.record(start + 63, 4, 0);
    expect(average(window, 66)).toBe(1988 / 4);
    window.record(start + 67, 5, 0);
    expect(average(window, 67)).toBe(1993 / 5);
    window.record(start + 63, 10, 0);
    expect(average(window, 67)).toBe(2003 / 5);
  });

  test.each([5, 6])("ignores a report that is %i s older than the newest", (age) => {
    const window = createWindow([1, 2, 3, 4, 5]);
    window.record(start + 4 - age, 1000, 0);
    expect(average(window, 4)).toBe(3);
  });

  test("a report exactly one window later is the first of a new window", () => {
    const window = createWindow([1, 2, 3, 4, 5]);
    window.record(start + 9, 10, 0);
    expect(average(window, 9)).toBe(10);
  });

  test("reports of one second add up", () => {
    const window = createWindow([10]);
    window.record(start, 30, 0);
    expect(average(window, 0)).toBe(40);
  });
});

describe("weighted exponential average", () => {
  const smoothing = 1 - (1 - 0.9999) ** (1 / 5);
  const decay = 1 - smoothing;

  test("weighs the newest second most and decays over missing ones", () => {
    const window = createWindow([2]);
    expect(window.average(start, "concurrency", "weighted-exponential")).toBeCloseTo(2 * smoothing, 12);
    expect(window.average(start + 1, "concurrency", "weighted-exponential")).toBeCloseTo(
      2 * smoothing * decay,
      12,
    );
  });

  test("sums the whole window, and is zero long after it", () => {
    const window = createWindow([2, 3, 4, 5, 6]);
    const expected = [6, 5, 4, 3, 2].reduce((sum, value, age) => sum + value * smoothing * decay ** age, 0);
    expect(window.average(start + 4, "concurrency", "weighted-exponential")).toBeCloseTo(expected, 12);
    expect(window.average(start + 20, "concurrency", "weighted-exponential")).toBe(0);
  });

  test("a window of 60 s gives the newest second a fifth", () => {
    const window = new LoadWindow(60);
    window.record(start, 100, 0);
    expect(window.average(start, "concurrency", "weighted-exponential")).toBeCloseTo(20, 12);
  });
});

describe("window", () => {
  test("is empty only when nothing came for longer than its length", () => {
    expect(createWindow().isEmpty(start)).toBe(true);
    expect(createWindow([0]).isEmpty(start + 5)).toBe(false);
    expect(createWindow([0]).isEmpty(start + 6)).toBe(true);
  });

  test("keeps the newest seconds when it shrinks", () => {
    const window = createWindow([1, 2, 3, 4, 5]);
    window.resize(2);
    expect(average(window, 4)).toBe(4.5);
  });

  test("grows without counting seconds that it never saw", () => {
    const window = createWindow([1, 2, 3]);
    window.resize(10);
    expect(average(window, 2)).toBe(2);
  });

  test("comes back from its entries as it was", () => {
    const window = createWindow([1, 2, 3]);
    const copy = new LoadWindow(5);
    for (const [second, concurrency, requests] of window.toEntries())
      copy.record(second, concurrency, requests);
    expect(average(copy, 3)).toBe(average(window, 3));
    expect(average(copy, 3, "rps")).toBe(average(window, 3, "rps"));
  });
});

test("a window that nothing was written to has nothing to keep", () => {
  // Saving the state of a service that never had a request once counted up from minus infinity, and never ended.
  expect(createWindow().toEntries()).toEqual([]);
  expect(createWindow([1, 2]).toEntries()).toEqual([
    [start, 1, 10],
    [start + 1, 2, 20],
  ]);
});
