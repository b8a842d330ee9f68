import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { recordLoad } from "../../packages/cli/src/commands/record.ts";
import { formatSides, parseSpec } from "../../packages/cli/src/commands/simulate.ts";
import { runProgram } from "../../packages/cli/src/program.ts";
import { createRevision, sendStat, TestAggregator, TestFeed } from "../support/aggregator-harness.ts";

/** Runs one command line; returns what it printed. */
async function run(args: readonly string[]): Promise<string> {
  let printed = "";
  const write = (text: string): boolean => {
    printed += text;
    return true;
  };
  const stdout = Object.assign(Object.create(process.stdout) as NodeJS.WriteStream, { write });
  await runProgram(args, {
    environment: {},
    root: ".",
    stdout,
    stderr: process.stderr,
    keepRunning: () => undefined,
  });
  return printed;
}

test("simulate prints both sides of a load, and what the other setting costs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-trace-"));
  const file = join(folder, "trace.csv");
  writeFileSync(file, "second,concurrency,requests\n0,50,500\n60,0,0\n300,0,0\n");
  const printed = await run([
    "simulate",
    "--load",
    file,
    "--base",
    "target=10",
    "--set",
    "target=50",
    "--json",
  ]);
  const [asItIs, changed] = JSON.parse(printed) as {
    name: string;
    result: { mostPods: number; podSeconds: number };
  }[];
  expect(changed?.name).toBe("target=50");
  expect(changed?.result.mostPods).toBeLessThan(asItIs?.result.mostPods ?? 0);
  expect(changed?.result.podSeconds).toBeLessThan(asItIs?.result.podSeconds ?? 0);
  const table = await run(["simulate", "--load", file, "--set", "window=30s"]);
  expect(table).toMatch(/most pods +\d+ +\d+/);
  expect(table).toContain("ready pods over 301 s");
  rmSync(folder, { recursive: true });
});

test("settings are named as in the ConfigMap or as annotations without their prefix", () => {
  expect(parseSpec(["target=20", "window=30s", "max-scale-up-rate=4"], 0)).toMatchObject({
    totalValue: 20,
    stableWindowMs: 30_000,
    maxScaleUpRate: 4,
  });
  expect(() => parseSpec(["tarjet=20"], 0)).toThrow("--set tarjet=20 names no setting");
  expect(() => parseSpec(["window=1s"], 0)).toThrow("window must be a duration from 6s to 1h");
});

test("the chart has the highest value of each share of the time", () => {
  const seconds = [0, 1, 2, 4].map((readyPods) => ({ readyPods, desiredPods: 0, inFlight: 0, waiting: 0 }));
  const result = {
    seconds,
    mostPods: 4,
    meanPods: 2,
    podSeconds: 7,
    mostWaiting: 0,
    meanWaitSeconds: 0,
    coldStarts: 0,
  };
  expect(formatSides([{ name: "as it is", result }])).toContain(" ▂▄█  as it is");
});

test("explain tells the story of a live revision, and says what there is when the name is wrong", async () => {
  await using feed = await TestFeed.open([createRevision()]);
  await using aggregator = await TestAggregator.start({ feed: feed.url });
  sendStat(await aggregator.connect());
  await aggregator.waitFor(({ desiredPods }) => desiredPods === 1);
  const story = await run(["explain", "hello", "--aggregator", aggregator.url]);
  expect(story).toContain("0 → 1 pod");
  expect(story).toContain("1 in flight over 1m at target 70 asks for 1 pod");
  await expect(run(["explain", "nobody", "--aggregator", aggregator.url])).rejects.toThrow(
    "there is no decision about nobody",
  );
});

test("record counts what came in each second, also over a restart of the aggregator", async () => {
  const answers = [100, 130, 130, 5].map((RequestCount, Concurrency) => ({
    "default/hello": { Concurrency, RequestCount },
  }));
  const trace = await recordLoad(
    { queue: async () => Promise.resolve(answers.shift() ?? {}) },
    "default/hello",
    3,
    1,
  );
  expect(trace).toEqual([
    { concurrency: 1, requests: 30 },
    { concurrency: 2, requests: 0 },
    { concurrency: 3, requests: 5 },
  ]);
});
