/** One second of load. */
export interface LoadSecond {
  /** Requests in flight, were there pods enough. */
  readonly concurrency: number;
  /** Requests that came in. */
  readonly requests: number;
}

const header = "second,concurrency,requests";

/** Comma-separated values with a header line: what `sluice record` writes. */
export function formatLoadTrace(trace: readonly LoadSecond[]): string {
  const rows = trace.map(({ concurrency, requests }, second) => `${second},${concurrency},${requests}`);
  return `${[header, ...rows].join("\n")}\n`;
}

/**
 * Reads a trace. Seconds must rise; those left out have the load of the one before, so that a made trace needs a line
 * a change only. Throws an Error that names the line.
 */
export function parseLoadTrace(text: string): LoadSecond[] {
  const [first = "", ...lines] = text.split(/\r?\n/);
  if (first.trim() !== header) throw new Error(`line 1 must be ${header}, not ${JSON.stringify(first)}`);
  const trace: LoadSecond[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const { second, load } = parseLine(line, index + 2, trace.length);
    const before = trace.at(-1) ?? { concurrency: 0, requests: 0 };
    while (trace.length < second) trace.push(before);
    trace.push(load);
  }
  if (trace.length === 0) throw new Error("the trace has no seconds");
  return trace;
}

function parseLine(line: string, number: number, least: number): { second: number; load: LoadSecond } {
  const cells = line.split(",").map((cell) => (cell.trim() === "" ? Number.NaN : Number(cell)));
  const [second = Number.NaN, concurrency = Number.NaN, requests = Number.NaN] = cells;
  const isGood = cells.length === 3 && Number.isInteger(second) && second >= least && second <= maxSeconds;
  if (!isGood || !isLoad(concurrency) || !isLoad(requests)) {
    throw new Error(
      `line ${number} must be a rising whole second, a concurrency and a count of requests, not ${JSON.stringify(line)}`,
    );
  }
  return { second, load: { concurrency, requests } };
}

/** A week. */
const maxSeconds = 604_800;

function isLoad(value: number): boolean {
  return value >= 0 && value <= 1e9;
}
