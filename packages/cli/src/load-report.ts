import type { LoadSummary } from "./load-summary.ts";

const longestBar = 40;

/** The summary as text, in the order of the article's load tool. */
export function formatLoadReport(summary: LoadSummary): string {
  return [
    "Summary:",
    `  Total:        ${toSeconds(summary.totalMs)} secs`,
    `  Slowest:      ${toSeconds(summary.slowestMs)} secs`,
    `  Fastest:      ${toSeconds(summary.fastestMs)} secs`,
    `  Average:      ${toSeconds(summary.averageMs)} secs`,
    `  Requests/sec: ${summary.requestsPerSecond.toFixed(4)}`,
    "",
    `  Total data:   ${summary.bytes} bytes, heads included`,
    `  Size/request: ${summary.bytesPerRequest} bytes`,
    "",
    "Response time histogram:",
    ...formatHistogram(summary),
    "",
    "Latency distribution:",
    ...summary.percentiles.map(({ percent, withinMs }) => `  ${percent}% in ${toSeconds(withinMs)} secs`),
    "",
    "Details (DNS lookup and dial-up, request write, response wait, response read) are not measured.",
    "",
    "Status code distribution:",
    ...Object.entries(summary.statuses).map(([status, count]) => `  [${status}] ${count} responses`),
    ...(summary.errors > 0 ? ["", `Errors: ${summary.errors} requests got no answer`] : []),
  ].join("\n");
}

function formatHistogram({ histogram }: LoadSummary): string[] {
  const most = Math.max(1, ...histogram.map(({ count }) => count));
  const width = String(most).length;
  return histogram.map(({ upToMs, count }) => {
    const bar = "■".repeat(Math.round((count / most) * longestBar));
    return `  ${(upToMs / 1000).toFixed(3)} [${count}]${" ".repeat(width - String(count).length)} |${bar}`;
  });
}

function toSeconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(4);
}
