import { Backoff, decideBackoffMs } from "@sluice/kit";
import { describe, expect, test } from "vitest";

describe("back-off", () => {
  test("the first retry comes within 50 ms, the wait doubles and stops at the cap", () => {
    const longest = [0, 1, 2, 3, 4, 5, 6, 7, 1000].map((attempt) => decideBackoffMs(attempt, 1));
    expect(longest).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
  });

  test("randomness spreads every wait over its upper half", () => {
    expect([0, 0.5, 1].map((random) => decideBackoffMs(3, random))).toEqual([200, 300, 400]);
  });

  test("success starts over", () => {
    const backoff = new Backoff({ firstMs: 10, capMs: 40 }, () => 1);
    expect([backoff.nextMs(), backoff.nextMs(), backoff.nextMs(), backoff.nextMs()]).toEqual([
      10, 20, 40, 40,
    ]);
    backoff.reset();
    expect(backoff.nextMs()).toBe(10);
  });
});
