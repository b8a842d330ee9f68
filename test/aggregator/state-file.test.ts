import { systemClock } from "@sluice/core";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  createPod,
  createRevision,
  sendStat,
  TestAggregator,
  TestFeed,
} from "../support/aggregator-harness.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-state-"));
  folders.push(folder);
  return folder;
}

const file = "aggregator-state.ndjson";

async function runOnce(folder: string, load: number): Promise<number> {
  await using feed = await TestFeed.open([createRevision(), createPod("hello-1")]);
  await using aggregator = await TestAggregator.start({
    feed: feed.url,
    environment: { SLUICE_STATE_DIR: folder },
  });
  if (load > 0) {
    sendStat(await aggregator.connect(), { averageConcurrentRequests: load, requestCount: load });
    await aggregator.waitFor(({ stableValue }) => stableValue > 0);
  }
  return (await aggregator.waitFor(({ readyPods }) => readyPods === 1)).stableValue;
}

test("windows survive a restart", async () => {
  const folder = createFolder();
  await runOnce(folder, 500);
  expect(readdirSync(folder)).toEqual([file]);
  expect(await runOnce(folder, 0)).toBeGreaterThan(20);
});

test.each<[string, (text: string) => string]>([
  ["torn", (text) => text.slice(0, -20)],
  ["cut at a line", (text) => `${text.split("\n")[0]}\n`],
  ["somebody else's", () => '{"hello": "world"}\n'],
  ["empty", () => ""],
  ["no text", () => "\u0000\u0001\u0002"],
  ["of another day", (text) => text.replace(/"savedAt":\d+/, '"savedAt":1')],
  ["full of lies", (text) => text.replaceAll(/\[(\d+),500,500\]/g, "[$1,-1e300,500]")],
])("a file that is %s is left aside, and the start goes on", async (_name, spoil) => {
  const folder = createFolder();
  await runOnce(folder, 500);
  const path = join(folder, file);
  writeFileSync(path, spoil(readFileSync(path, "utf8")));
  expect(await runOnce(folder, 0)).toBe(0);
});

test("seconds from the future of a clock that was set back are not taken", async () => {
  const folder = createFolder();
  await runOnce(folder, 500);
  const path = join(folder, file);
  const later = Math.floor(systemClock.now() / 1000) + 1000;
  writeFileSync(path, readFileSync(path, "utf8").replaceAll(/\[(\d+),500,500\]/g, `[${later},500,500]`));
  expect(await runOnce(folder, 0)).toBe(0);
});
