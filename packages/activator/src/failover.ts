import type { SluiceError } from "@sluice/core";

/**
 * What a failed attempt says about its pod: `full` is left alone for a moment, `broken` gets nothing until a probe
 * succeeds, `none` had no part in it.
 */
export type Blame = "full" | "broken" | "none";

const brokenCodes: ReadonlySet<string> = new Set(["upstream-connect", "upstream-reset", "closing"]);

/** This process ran out of files, ports or buffers: waiting helps, another pod does not. */
const shortageCodes: ReadonlySet<unknown> = new Set([
  "EMFILE",
  "ENFILE",
  "EADDRNOTAVAIL",
  "ENOBUFS",
  "ENOMEM",
]);

export function decideBlame(error: SluiceError): Blame {
  const { cause } = error;
  const isShortage = cause instanceof Error && "code" in cause && shortageCodes.has(cause.code);
  if (error.code === "queue-full" || isShortage) return "full";
  return brokenCodes.has(error.code) ? "broken" : "none";
}

const firstPauseMs = 20;
const longestPauseMs = 320;

/** How long a pod that is full of others' requests is left alone, after `refusals` in a row before. */
export function decidePause(refusals: number): number {
  return Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(refusals, 10));
}

const firstQuarantineMs = 50;
const longestQuarantineMs = 5000;

/**
 * How long a pod that failed a request is not even probed, after `failures` in a row before. The first costs nothing: the
 * pod may just have restarted. One whose probes succeed while its requests fail would else be back at once, each time.
 */
export function decideQuarantine(failures: number): number {
  if (failures === 0) return 0;
  return Math.min(longestQuarantineMs, firstQuarantineMs * 2 ** Math.min(failures - 1, 10));
}
