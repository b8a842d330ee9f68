import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ControlClient } from "../../packages/cli/src/control-client.ts";
import { isRunning, waitUntilGone } from "../support/process-life.ts";
import { waitUntil } from "../support/wait-until.ts";

const root = join(import.meta.dirname, "..", "..");

/** `npm start` on free ports, as a program would run it, and every process behind it. */
async function startThroughNpm(): Promise<{ npm: number; pids: number[] }> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-npm-"));
  const environment = { ...process.env };
  // What `npm test` says to its own children is not for these.
  for (const name of Object.keys(environment)) if (name.startsWith("npm_")) delete environment[name];
  const ports = ["public", "admin", "internal", "aggregator", "feed"].flatMap((name) => [
    `--${name}-port`,
    "0",
  ]);
  const npm = spawn("npm", ["start", "--", "--quiet", ...ports], {
    cwd: root,
    env: { ...environment, SLUICE_RUNTIME_DIR: folder },
    stdio: "ignore",
  });
  onTestFinished(() => {
    npm.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  const control = new ControlClient(folder);
  const { members } = await waitUntil("the platform", () => control.status().catch(() => false as const));
  return { npm: npm.pid ?? 0, pids: Object.values(members) };
}

test.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
  "%s to npm ends all that npm start began",
  async (signal) => {
    const { npm, pids } = await startThroughNpm();
    expect(pids.length).toBeGreaterThan(1);
    expect(pids.every(isRunning)).toBe(true);
    process.kill(npm, signal);
    await waitUntilGone([npm, ...pids]);
  },
);
