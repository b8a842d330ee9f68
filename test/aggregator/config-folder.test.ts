import type { AutoscalerConfig } from "@sluice/core";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "@sluice/core";
import { ConfigFolder } from "../../packages/aggregator/src/config-folder.ts";
import { silentLog } from "../support/aggregator-harness.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function createFolder(data: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-config-"));
  folders.push(folder);
  for (const [key, value] of Object.entries(data)) writeFileSync(join(folder, key), value);
  return folder;
}

test("a bad value in a running folder keeps the last good configuration, a good one replaces it", async () => {
  const path = createFolder({ "stable-window": "20s\n" });
  const changes: AutoscalerConfig[] = [];
  const folder = new ConfigFolder({
    path,
    clock: systemClock,
    log: silentLog,
    onChange: (config) => void changes.push(config),
  });
  expect(folder.config.stableWindowMs).toBe(20_000);
  writeFileSync(join(path, "stable-window"), "2s");
  writeFileSync(join(path, "max-scale"), "3");
  await expect.poll(() => folder.lastProblem).toContain("stable-window must be a duration from 6s to 1h");
  expect(folder.config).toMatchObject({ stableWindowMs: 20_000, maxScale: 0 });
  writeFileSync(join(path, "stable-window"), "30s");
  await expect.poll(() => changes.at(-1)).toMatchObject({ stableWindowMs: 30_000, maxScale: 3 });
  expect(folder.lastProblem).toBeUndefined();
  folder.close();
});

test("a start with a bad value is refused by name, rule and value", () => {
  const path = createFolder({ "panic-window-percentage": "0" });
  const open = () =>
    new ConfigFolder({ path, clock: systemClock, log: silentLog, onChange: () => undefined });
  expect(open).toThrow('panic-window-percentage must be a percentage from 1 to 100, not "0"');
});

test("Kubernetes' links, folders and examples are no keys", () => {
  const path = createFolder({ "..data": "x", _example: "#", "max-scale": "7" });
  const folder = new ConfigFolder({ path, clock: systemClock, log: silentLog, onChange: () => undefined });
  expect(folder.config.maxScale).toBe(7);
  folder.close();
});
