import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem, type as systemName } from "node:os";

/** What a reader of the figures has to know about where they come from. */
export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMib: number;
  readonly kernel: string;
  readonly node: string;
  readonly date: string;
  /** Average load of the last minute before the run: more than the cores means that others were at work too. */
  readonly loadBefore: number;
}

export function readMachineFacts(): MachineFacts {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryMib: Math.round(totalmem() / 1024 / 1024),
    kernel: `${systemName()} ${release()}${isVirtual() ? ", virtual machine" : ""}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 16),
    loadBefore: Number(loadavg()[0]?.toFixed(2)),
  };
}

export function describeMachine(facts: MachineFacts): string {
  return `${facts.cpu}, ${facts.cores} cores, ${facts.memoryMib} MiB, ${facts.kernel}, Node ${facts.node}, ${facts.date}Z, load before the run ${facts.loadBefore}`;
}

function isVirtual(): boolean {
  try {
    return /^flags\s*:.*\bhypervisor\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    // Not Linux: nothing is claimed.
    return false;
  }
}
