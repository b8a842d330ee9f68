import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { findFreePort } from "../../bench/harness/free-port.ts";
import { median } from "../../bench/harness/median.ts";
import { readProcessUsage } from "../../bench/harness/process-usage.ts";
import { startProcess, type StartedProcess } from "../../bench/harness/started-process.ts";
import { printTable } from "../../bench/harness/table.ts";
import { waitUntilServed } from "../../bench/harness/wait-until-served.ts";

const started: StartedProcess[] = [];

function startNode(script: string): StartedProcess {
  const child = startProcess({ command: process.execPath, args: ["--eval", script] });
  started.push(child);
  return child;
}

afterEach(async () => {
  for (const child of started.splice(0)) await child.stop();
});

describe("bench harness", () => {
  test("every file of the folder is a bench with a question, so that one command runs them all", () => {
    const folder = join(import.meta.dirname, "..", "..", "bench");
    const files = readdirSync(folder).filter((file) => file.endsWith(".ts") && file !== "main.ts");
    const withoutBench = files.filter(
      (file) => !/^export const bench: Bench = /m.test(readFileSync(join(folder, file), "utf8")),
    );
    expect(withoutBench).toEqual([]);
    expect(files.length).toBeGreaterThan(2);
  });

  test.each([
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[7], 7],
    [[], Number.NaN],
  ])("the median of %j is %d", (values, middle) => expect(median(values)).toBe(middle));

  test("a table is Markdown with aligned figures, and what was not measured is a dash", () => {
    const table = {
      title: "T",
      columns: ["name", "n"],
      rows: [
        ["a", 1234.5],
        ["bb", undefined],
        ["c", 1.234],
      ],
      notes: ["note"],
    };
    expect(printTable(table).split("\n")).toEqual([
      "### T",
      "",
      "| name |     n |",
      "|------|------:|",
      "| a    | 1,235 |",
      "| bb   |     – |",
      "| c    |  1.23 |",
      "",
      "- note",
      "",
    ]);
  });

  test.runIf(process.platform === "linux")(
    "a process's CPU and memory are its own and those of what it started",
    async () => {
      const port = await findFreePort();
      // By its own CPU time: on a busy machine 300 ms of the wall clock may hold little of it.
      const burn = "while (process.cpuUsage().user < 300_000);";
      // The child does the work; the parent only waits for it and then answers.
      const child = startNode(
        `require("node:child_process").spawnSync(process.execPath, ["--eval", ${JSON.stringify(burn)}]);
         require("node:http").createServer((_, response) => response.end()).listen(${port}, "127.0.0.1");`,
      );
      await waitUntilServed(`http://127.0.0.1:${port}/`, child);
      const usage = readProcessUsage(child.pid);
      expect(usage.cpuMs).toBeGreaterThanOrEqual(100);
      expect(usage.peakRssMib).toBeGreaterThan(20);
      expect(usage.anonymousMib).toBeGreaterThan(1);
      expect(usage.anonymousMib).toBeLessThan(usage.peakRssMib ?? 0);
    },
  );

  test("a program that ends before it answers is reported with what it said", async () => {
    const port = await findFreePort();
    const child = startNode('console.error("no such setting"); process.exit(64)');
    await expect(waitUntilServed(`http://127.0.0.1:${port}/`, child)).rejects.toThrow(
      /it ended.*no such setting/s,
    );
  });

  test("a program that ignores the request to stop is ended all the same", async () => {
    const port = await findFreePort();
    const child = startNode(
      `process.on("SIGTERM", () => undefined);
       require("node:http").createServer((_, response) => response.end()).listen(${port}, "127.0.0.1");`,
    );
    await waitUntilServed(`http://127.0.0.1:${port}/`, child);
    await child.stop();
    expect(child.hasEnded()).toBe(true);
    expect(() => process.kill(child.pid, 0)).toThrow("ESRCH");
  });
});
