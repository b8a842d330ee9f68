import { afterEach, expect, test } from "vitest";
import type { ChildPlatform } from "../../packages/cli/src/child-platform.ts";
import { isRunning, waitUntilGone } from "../support/process-life.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { startTestPlatform } from "../support/test-platform.ts";
import { waitUntil } from "../support/wait-until.ts";

const clients = 10;
const host = "busy.default.example.com";

let platform: ChildPlatform | undefined;

afterEach(async () => {
  await platform?.stop();
  platform = undefined;
});

/** Two pods under load, each request of which takes 20 ms in the app. */
async function startUnderLoad(): Promise<{ platform: ChildPlatform; load: SteadyLoad }> {
  const annotations = {
    "autoscaling.knative.dev/min-scale": "2",
    "autoscaling.knative.dev/initial-scale": "2",
  };
  const started = await startTestPlatform([{ name: "busy", annotations }]);
  platform = started;
  await waitUntil("two ready pods", async () => (await started.control.services())[0]?.ready === 2);
  const { ports } = await started.control.status();
  const load = new SteadyLoad({ port: ports.public, host, path: "/?sleep=20", clients });
  await waitUntil("the load to run", () => load.good > 50);
  return { platform: started, load };
}

/** Every process of the platform by what it is. */
async function listProcesses(of: ChildPlatform): Promise<Record<string, number>> {
  const { members } = await of.control.status();
  const pods = await of.control.pods();
  return { ...members, ...pods[0]?.processes };
}

test.each([
  // A request that was in the app, or in the sidecar on its way there, may have been done: it is not sent twice. Each
  // client may have one there, and one more before everybody knows that the pod is not ready.
  { victim: "app", mayLose: 2 * clients },
  { victim: "sidecar", mayLose: 2 * clients },
  // Nobody's request goes through it.
  { victim: "aggregator-0", mayLose: 0 },
  // Every request goes through it, and until it listens again nobody is there at all: those count as refused.
  { victim: "activator-0", mayLose: Infinity },
])("after kill -9 of the $victim the platform heals by itself", async ({ victim, mayLose }) => {
  const { platform, load } = await startUnderLoad();
  const before = (await listProcesses(platform))[victim] ?? 0;
  expect(isRunning(before)).toBe(true);
  process.kill(before, "SIGKILL");
  const after = await waitUntil(`another ${victim}`, async () => {
    const pid = (await listProcesses(platform))[victim];
    return pid !== undefined && pid !== 0 && pid !== before && pid;
  });
  expect(isRunning(after)).toBe(true);
  await waitUntil("two ready pods", async () => (await platform.control.services())[0]?.ready === 2);
  const healed = load.good;
  await waitUntil("requests to be answered as before", () => load.good > healed + 100);
  const { sent, answers } = await load.stop();
  const lost = sent - (answers["200"] ?? 0);
  process.stdout.write(
    `kill -9 of the ${victim}: ${lost} of ${sent} requests lost, ${JSON.stringify(answers)}\n`,
  );
  expect(lost).toBeLessThanOrEqual(mayLose);
});

test("after kill -9 of sluice up no process is left, and its place can be taken again", async () => {
  const { platform: started, load } = await startUnderLoad();
  const { members } = await started.control.status();
  const pods = await started.control.pods();
  const pids = [...Object.values(members), ...pods.flatMap(({ processes }) => Object.values(processes))];
  expect(pids).toHaveLength(6);
  expect(pids.every(isRunning)).toBe(true);
  process.kill(started.pid, "SIGKILL");
  await waitUntilGone([started.pid, ...pids]);
  await load.stop();
});

test("a stop under load answers what is under way and leaves no process", async () => {
  const { platform: started, load } = await startUnderLoad();
  const pods = await started.control.pods();
  const { members } = await started.control.status();
  const pids = [...Object.values(members), ...pods.flatMap(({ processes }) => Object.values(processes))];
  const stopped = started.stop();
  await waitUntilGone(pids);
  expect(await stopped).toBe(0);
  const { answers } = await load.stop();
  platform = undefined;
  // A connection that comes after the listener closed is refused; one that was accepted is answered.
  expect(Object.keys(answers).toSorted()).toEqual(["200", "error"]);
});
