import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ChildPlatform } from "../../packages/cli/src/child-platform.ts";
import { runSluice, type SluiceRun } from "../support/run-sluice.ts";
import { startTestPlatform, toManifest } from "../support/test-platform.ts";
import { waitUntil } from "../support/wait-until.ts";

let platform: ChildPlatform;
let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-test-"));
  platform = await startTestPlatform([{ name: "hello" }]);
});

afterAll(async () => {
  await platform.stop();
  rmSync(folder, { recursive: true });
});

async function sluice(...args: string[]): Promise<SluiceRun> {
  return await runSluice([...args, "--runtime-dir", platform.folder]);
}

test("a second platform in the same place is refused and harms nothing", async () => {
  const run = await sluice("up", join(import.meta.dirname, "..", "..", "examples"));
  expect(run.stderr).toContain("sluice is already running here; use it (sluice get services)");
  expect({ code: run.code, stdout: run.stdout }).toEqual({ code: 1, stdout: "" });
  expect((await platform.control.services()).map(({ name }) => name)).toEqual(["hello"]);
});

test("a service is applied, shown, called, read and deleted", async () => {
  const file = join(folder, "later.yaml");
  writeFileSync(file, toManifest({ name: "later", env: { CRASH: "no such table" } }));
  expect((await sluice("apply", "-f", file)).stdout).toBe("service default/later created\n");
  expect((await sluice("apply", "-f", file)).stdout).toBe("service default/later unchanged\n");
  const services = await sluice("get", "services");
  expect(services.stdout).toMatch(/^NAME +DOMAIN +URL +LATEST +PODS$/m);
  expect(services.stdout).toMatch(
    /^later +later\.default\.example\.com +http:\/\/later\.default\.localhost:\d+ +later-00001 +0\/0$/m,
  );

  // The first of it may be held for as long as the app takes to crash.
  await waitUntil(
    "a load to be told why",
    async () => {
      const load = await sluice(
        "load",
        "later",
        "--clients",
        "1",
        "--duration",
        "1s",
        "--rate",
        "5",
        "--json",
      );
      return "503" in (JSON.parse(load.stdout) as { statuses: Record<string, number> }).statuses;
    },
    30_000,
  );
  expect((await sluice("get", "pods")).stdout).toMatch(
    /^later-00001-\w+ +0\/2 +failing .*CrashLoopBackOff: the app exited with code 3; its last output: no such table$/m,
  );
  expect((await sluice("logs", "later")).stdout).toMatch(/^later-00001-\w+\/\S+ \| no such table$/m);

  writeFileSync(file, toManifest({ name: "later" }));
  expect((await sluice("apply", "-f", file)).stdout).toBe("service default/later configured\n");
  const revisions = JSON.parse((await sluice("get", "revisions", "--json")).stdout) as { name: string }[];
  expect(revisions.map(({ name }) => name).toSorted()).toEqual(["hello-00001", "later-00001", "later-00002"]);

  expect((await sluice("delete", "later")).stdout).toBe("service default/later deleted\n");
  const again = await sluice("delete", "later");
  expect(again.stderr).toContain("there is no service default/later");
  expect(again.code).toBe(1);
});

test("a manifest that is refused changes nothing and says everything that is wrong", async () => {
  const file = join(folder, "bad.yaml");
  writeFileSync(file, toManifest({ name: "bad", containerConcurrency: -1 }));
  const run = await sluice("apply", "-f", file);
  expect(run.stderr).toContain("nothing was applied: Service default/bad");
  expect(run.stderr).toContain("containerConcurrency");
  expect(run.code).toBe(1);
  expect((await platform.control.services()).map(({ name }) => name)).toEqual(["hello"]);
});

test("a paced load says how it went and how many pods it brought", async () => {
  const run = await sluice("load", "hello/pid", "--clients", "4", "--duration", "1s", "--rate", "40");
  expect(run.code).toBe(0);
  expect(run.stdout).toContain("4 clients for 1 s, paced to 40 requests/s");
  expect(run.stdout).toMatch(/^ {2}\[200\] \d+ responses$/m);
  expect(run.stdout).toMatch(/^Pods: 1 ready now, 1 at most$/m);
  await waitUntil("the pod to go", async () => (await platform.control.pods()).length === 0, 30_000);
});

test("an unpaced load warns that it is not what a network would do", async () => {
  const run = await sluice("load", "hello/pid", "--clients", "2", "--duration", "1s");
  expect(run.stdout).toContain("unpaced clients on this machine keep all 2 requests in flight");
});
