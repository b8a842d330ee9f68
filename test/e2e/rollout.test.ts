import { afterEach, expect, test } from "vitest";
import type { ChildPlatform } from "../../packages/cli/src/child-platform.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { appsFolder, startTestPlatform, toManifest } from "../support/test-platform.ts";
import { waitUntil } from "../support/wait-until.ts";

let platform: ChildPlatform | undefined;

afterEach(async () => {
  await platform?.stop();
  platform = undefined;
});

function toService(minScale: number, version: number) {
  const annotations = {
    "autoscaling.knative.dev/min-scale": String(minScale),
    "autoscaling.knative.dev/initial-scale": String(minScale),
  };
  return { name: "busy", annotations, env: { VERSION: String(version) } };
}

async function apply(started: ChildPlatform, minScale: number, version: number): Promise<void> {
  const text = toManifest(toService(minScale, version));
  await started.control.apply([{ name: "busy.yaml", folder: appsFolder, text }]);
}

/** Pods that the platform has for the newest revision, none left of an older one. */
async function waitForPods(started: ChildPlatform, revision: string, count: number): Promise<void> {
  await waitUntil(
    `${count} pods of ${revision} and no other`,
    async () => {
      const pods = await started.control.pods();
      return pods.length === count && pods.every((pod) => pod.revision === revision && pod.state === "ready");
    },
    60_000,
  );
}

async function startLoad(minScale: number): Promise<{ started: ChildPlatform; load: SteadyLoad }> {
  const started = await startTestPlatform([toService(minScale, 1)]);
  platform = started;
  await waitForPods(started, "busy-00001", minScale);
  const { ports } = await started.control.status();
  const load = new SteadyLoad({
    port: ports.public,
    host: "busy.default.example.com",
    path: "/?sleep=20",
    clients: 8,
  });
  await waitUntil("the load to run", () => load.good > 50);
  return { started, load };
}

test("a rolling update under load loses no request", async () => {
  const { started, load } = await startLoad(2);
  await apply(started, 2, 2);
  await waitForPods(started, "busy-00002", 2);
  const { sent, answers } = await load.stop();
  process.stdout.write(`a rolling update: ${JSON.stringify(answers)} of ${sent}\n`);
  expect(answers).toEqual({ "200": sent });
});

test("scaling down under load loses no request", async () => {
  const annotations = {
    "autoscaling.knative.dev/min-scale": "1",
    "autoscaling.knative.dev/initial-scale": "1",
    "autoscaling.knative.dev/max-scale": "3",
  };
  const started = await startTestPlatform([{ name: "busy", annotations, containerConcurrency: 2 }]);
  platform = started;
  const countReady = async (): Promise<number> => (await started.control.services())[0]?.ready ?? 0;
  await waitUntil("one ready pod", async () => (await countReady()) === 1);
  const { ports } = await started.control.status();
  const options = { port: ports.public, host: "busy.default.example.com", path: "/?sleep=20" };
  const [lasting, peak] = [
    new SteadyLoad({ ...options, clients: 1 }),
    new SteadyLoad({ ...options, clients: 7 }),
  ];
  await waitUntil("three ready pods", async () => (await countReady()) === 3, 60_000);
  const rush = await peak.stop();
  await waitUntil("one pod again", async () => (await started.control.pods()).length === 1, 60_000);
  const rest = await lasting.stop();
  process.stdout.write(`scaling down: ${JSON.stringify(rest.answers)} of ${rest.sent}\n`);
  expect(rush.answers).toEqual({ "200": rush.sent });
  expect(rest.answers).toEqual({ "200": rest.sent });
});
