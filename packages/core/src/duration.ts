const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const minuteMs = 60_000;
const hourMs = 3_600_000;

const partPattern = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/gy;

/**
 * Milliseconds of a Go duration (`300ms`, `1m30s`, `-1s`, `0`), the form that Knative's settings use.
 * Returns undefined for anything else; a bare number other than 0 has no unit and is refused.
 */
export function parseDurationMs(text: string): number | undefined {
  const sign = text.startsWith("-") ? -1 : 1;
  const rest = text.replace(/^[+-]/, "");
  if (rest === "0") return 0;
  let end = 0;
  let totalMs = 0;
  partPattern.lastIndex = 0;
  for (let part = partPattern.exec(rest); part !== null; part = partPattern.exec(rest)) {
    totalMs += Number(part[1]) * (unitMs[part[2] ?? ""] ?? Number.NaN);
    end = partPattern.lastIndex;
  }
  return end > 0 && end === rest.length ? sign * totalMs : undefined;
}

/** The shortest Go duration of whole units that says the same: 90000 → `1m30s`, 1500 → `1.5s`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 0) return `-${formatDuration(-durationMs)}`;
  if (durationMs < 1000) return durationMs === 0 ? "0s" : `${Number(durationMs.toFixed(3))}ms`;
  const hours = Math.floor(durationMs / hourMs);
  const minutes = Math.floor((durationMs % hourMs) / minuteMs);
  const seconds = Number(((durationMs % minuteMs) / 1000).toFixed(3));
  return (
    (hours > 0 ? `${hours}h` : "") + (minutes > 0 ? `${minutes}m` : "") + (seconds > 0 ? `${seconds}s` : "")
  );
}
