import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "./find-program.ts";
import { parseWrkReport, wrkReport, type LoadResult } from "./load-generator.ts";
import { startProcess } from "./started-process.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export const whyNoHostLoad = (): string | undefined =>
  findProgram("wrk") === undefined ? "wrk is not on the PATH, and only it sends to many hosts" : undefined;

/** Requests with one `Host` after the other, from wrk: the load where every request is another service's. */
export async function runHostLoad(
  url: string,
  hosts: readonly string[],
  connections: number,
  seconds: number,
): Promise<LoadResult> {
  const script = join(temporaryFolder(), `wrk-hosts-${hosts.length}.lua`);
  writeFileSync(
    script,
    `local hosts = {${hosts.map((host) => `"${host}"`).join(",")}}
    local requests, turn = {}, 0
    init = function() for key, host in ipairs(hosts) do requests[key] = wrk.format("GET", "/", {Host = host}) end end
    request = function() turn = turn % #requests + 1 return requests[turn] end
    ${wrkReport}`,
  );
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, url];
  const child = startProcess({ command: findProgram("wrk") ?? "wrk", args });
  await child.ended;
  return parseWrkReport(child.output());
}
