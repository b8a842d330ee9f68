import { readFileSync } from "node:fs";
import { waitUntil } from "./wait-until.ts";

/** Whether a process runs; one that has ended but was not yet collected by its parent does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    // The state stands behind the name, which is in brackets and may hold anything.
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2, text.lastIndexOf(")") + 3) !== "Z";
  } catch {
    // No /proc on this system, or gone between the two looks: the signal's answer stands.
    return process.platform !== "linux";
  }
}

export async function waitUntilGone(pids: readonly number[]): Promise<void> {
  await waitUntil(`processes ${pids.join(", ")} to end`, () => !pids.some(isRunning));
}
