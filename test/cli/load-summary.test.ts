import { expect, test } from "vitest";
import { formatLoadReport } from "../../packages/cli/src/load-report.ts";
import { summarizeLoad } from "../../packages/cli/src/load-summary.ts";

const result = {
  durationMs: 2000,
  // 1 to 100 ms, in no order.
  latenciesMs: Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) + 1),
  statuses: { "200": 99, "503": 1 },
  bytes: 5000,
  errors: 2,
};

test("a summary has the article's figures", () => {
  const summary = summarizeLoad(result);
  expect(summary).toMatchObject({
    totalMs: 2000,
    slowestMs: 100,
    fastestMs: 1,
    averageMs: 50.5,
    requestsPerSecond: 50,
    requests: 100,
    bytesPerRequest: 50,
    percentiles: [10, 25, 50, 75, 90, 95, 99].map((percent) => ({ percent, withinMs: percent })),
  });
});

test("every request is in one step of the histogram, and the steps reach from the fastest to the slowest", () => {
  const { histogram } = summarizeLoad(result);
  expect(histogram).toHaveLength(11);
  expect(histogram[0]).toEqual({ upToMs: 1, count: 1 });
  expect(histogram.at(-1)?.upToMs).toBe(100);
  expect(histogram.reduce((total, { count }) => total + count, 0)).toBe(100);
});

test("a load without an answer is summarised too", () => {
  const summary = summarizeLoad({ durationMs: 1000, latenciesMs: [], statuses: {}, bytes: 0, errors: 3 });
  expect(summary).toMatchObject({ requests: 0, averageMs: 0, slowestMs: 0, requestsPerSecond: 0, errors: 3 });
});

test("the report stands in the article's order and says what is not measured", () => {
  const summary = summarizeLoad({
    ...result,
    latenciesMs: [10, 20, 20, 30],
    statuses: { "200": 4 },
    errors: 0,
  });
  expect(formatLoadReport(summary)).toMatchInlineSnapshot(`
    "Summary:
      Total:        2.0000 secs
      Slowest:      0.0300 secs
      Fastest:      0.0100 secs
      Average:      0.0200 secs
      Requests/sec: 2.0000

      Total data:   5000 bytes, heads included
      Size/request: 1250 bytes

    Response time histogram:
      0.010 [1] |■■■■■■■■■■■■■■■■■■■■
      0.012 [0] |
      0.014 [0] |
      0.016 [0] |
      0.018 [0] |
      0.020 [2] |■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■■
      0.022 [0] |
      0.024 [0] |
      0.026 [0] |
      0.028 [0] |
      0.030 [1] |■■■■■■■■■■■■■■■■■■■■

    Latency distribution:
      10% in 0.0100 secs
      25% in 0.0100 secs
      50% in 0.0200 secs
      75% in 0.0200 secs
      90% in 0.0300 secs
      95% in 0.0300 secs
      99% in 0.0300 secs

    Details (DNS lookup and dial-up, request write, response wait, response read) are not measured.

    Status code distribution:
      [200] 4 responses"
  `);
});
