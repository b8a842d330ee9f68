import { readdirSync, readFileSync } from "node:fs";

/** What a process and all that it started have used; figures that this system does not tell are undefined. */
export interface ProcessUsage {
  /** User and system time. */
  readonly cpuMs: number | undefined;
  /** Most resident memory so far, summed over the processes. */
  readonly peakRssMib: number | undefined;
  /** Anonymous memory now: what is not shared with other processes of the same program. */
  readonly anonymousMib: number | undefined;
}

/** The kernel counts CPU time for processes in hundredths of a second, on every architecture that Node runs on. */
const msPerTick = 10;

interface ProcessStat {
  readonly parent: number;
  /** Own time and that of children that have ended and were waited for. */
  readonly ticks: number;
}

/** Reads `/proc`; on other systems every figure is undefined ("not measured"). */
export function readProcessUsage(pid: number): ProcessUsage {
  if (process.platform !== "linux")
    return { cpuMs: undefined, peakRssMib: undefined, anonymousMib: undefined };
  const stats = readAllStats();
  const members = findTree(pid, stats);
  let ticks = 0;
  let peakKib = 0;
  let anonymousKib = 0;
  for (const member of members) {
    ticks += stats.get(member)?.ticks ?? 0;
    const status = readText(`/proc/${member}/status`);
    peakKib += readKib(status, "VmHWM");
    anonymousKib += readKib(status, "RssAnon");
  }
  return { cpuMs: ticks * msPerTick, peakRssMib: peakKib / 1024, anonymousMib: anonymousKib / 1024 };
}

function readAllStats(): Map<number, ProcessStat> {
  const stats = new Map<number, ProcessStat>();
  for (const name of readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? parseStat(readText(`/proc/${name}/stat`)) : undefined;
    if (stat !== undefined) stats.set(Number(name), stat);
  }
  return stats;
}

/** Fields of proc(5), counted from after the command, which may hold anything: ppid is the 4th, utime the 14th. */
function parseStat(text: string): ProcessStat | undefined {
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const [utime = 0, stime = 0, childUtime = 0, childStime = 0] = fields.slice(11, 15);
  const parent = fields[1];
  return text === "" || parent === undefined
    ? undefined
    : { parent, ticks: utime + stime + childUtime + childStime };
}

function findTree(root: number, stats: ReadonlyMap<number, ProcessStat>): readonly number[] {
  const members = [root];
  // The list grows while it is walked: each member's children are added behind it.
  for (const member of members) {
    for (const [pid, { parent }] of stats) if (parent === member) members.push(pid);
  }
  return members;
}

function readKib(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
}

/** Empty when the process has ended meanwhile. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
