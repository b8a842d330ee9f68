import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What this process holds on its heap once nothing is left to collect. */
export function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
