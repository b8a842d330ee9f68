import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { toStatus } from "../support/fake-kubernetes.ts";
import { paths, ScalerHarness, toDecision, toDeployment } from "../support/scaler-harness.ts";
import { waitUntil } from "../support/wait-until.ts";

const main = join(import.meta.dirname, "..", "..", "packages", "scaler", "src", "main.ts");
/** A lease runs for 15 s, and this machine may be busy. */
const takeoverMs = 60_000;

interface ScalerProcess {
  readonly name: string;
  readonly port: number;
  kill(): void;
}

let harness: ScalerHarness;
let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  harness = new ScalerHarness();
  await harness.start();
  folder = mkdtempSync(join(tmpdir(), "sluice-scalers-"));
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server: harness.api.url, "insecure-skip-tls-verify": true } }],
    users: [{ name: "u", user: { token: "t" } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  };
  writeFileSync(join(folder, "kubeconfig"), JSON.stringify(config));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await harness.stop();
  rmSync(folder, { recursive: true });
});

/** Starts a scaler as its image does; resolves when it listens. */
async function startProcess(name: string): Promise<ScalerProcess> {
  const child = spawn(process.execPath, [main], {
    env: {
      ...process.env,
      KUBECONFIG: join(folder, "kubeconfig"),
      POD_NAME: name,
      SLUICE_PORT: "0",
      SLUICE_SCALE_ENDPOINT: harness.scaleEndpoint,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const entry = JSON.parse(line) as { msg: string; port?: number };
    if (entry.msg !== "watching" || entry.port === undefined) continue;
    child.stdout.resume();
    return { name, port: entry.port, kill: () => void child.kill("SIGKILL") };
  }
  throw new Error(`${name} ended before it listened`);
}

async function revisionsOf(scaler: ScalerProcess): Promise<readonly string[]> {
  const answer = await fetch(`http://127.0.0.1:${scaler.port}/v1/feed`);
  if (answer.status !== 200) return [];
  const { items } = (await answer.json()) as { items: { kind: string; name: string }[] };
  return items.filter(({ kind }) => kind === "revision").map(({ name }) => name);
}

function waitForRevision(scaler: ScalerProcess, name: string): Promise<unknown> {
  return waitUntil(
    `${name} in the feed of ${scaler.name}`,
    async () => (await revisionsOf(scaler)).includes(name),
    takeoverMs,
  );
}

function writer(): string {
  const lease = harness.api.get(paths.leases, "sluice-system", "sluice-scaler");
  const { holderIdentity = "" } = (lease?.spec ?? {}) as { holderIdentity?: string };
  return holderIdentity.split("_")[0] ?? "";
}

test("of two scalers the one that writes is killed while it does: the other goes on, and asks for nothing again", async () => {
  const { api } = harness;
  const apps = Array.from({ length: 1000 }, (_, index) => `app-${index}`);
  for (const name of apps) api.put(paths.deployments, toDeployment(name));
  const first = await startProcess("first");
  await waitUntil("the first one to write", () => writer() === "first", takeoverMs);
  const second = await startProcess("second");
  for (const name of apps) harness.decide(toDecision(name, 1));
  const isApplied = (name: string): boolean =>
    harness.annotationsOf(paths.deployments, name)["sluice.dev/applied"]?.includes('"replicas":1') === true;
  await waitUntil("everything to be applied", () => apps.every(isApplied), takeoverMs);
  await waitUntil("everything to be said", () => api.list(paths.events).length === 1000, takeoverMs);
  expect(apps.every((name) => harness.replicasOf(name) === 1)).toBe(true);
  await waitUntil("both feeds", async () => (await revisionsOf(second)).length === 1000, takeoverMs);

  api.fault = ({ path }) => (path.endsWith("/app-7/scale") ? "hang" : undefined);
  harness.decide(toDecision("app-7", 5));
  await waitUntil("the write that hangs", () => api.count("PATCH", "/app-7/scale") === 2);
  first.kill();
  api.fault = () => undefined;
  api.requests.length = 0;
  await waitUntil("five replicas", () => harness.replicasOf("app-7") === 5, takeoverMs);
  expect(writer()).toBe("second");
  await waitUntil("what was applied", () =>
    harness.annotationsOf(paths.deployments, "app-7")["sluice.dev/applied"]?.includes('"replicas":5'),
  );
  const deployment = "/apis/apps/v1/namespaces/default/deployments/app-7";
  const asked = api.requests
    .filter(({ path }) => !path.includes("/leases"))
    .map(({ method, path }) => `${method} ${path}`);
  expect(asked.toSorted()).toEqual([
    `PATCH ${deployment}`,
    `PATCH ${deployment}/scale`,
    "POST /api/v1/namespaces/default/events",
  ]);
});

test("two scalers outlive an API server that restarts, refuses their token and cuts their watches in the middle", async () => {
  const { api } = harness;
  api.put(paths.deployments, toDeployment("hello"));
  const [first, second] = [await startProcess("first"), await startProcess("second")];
  const scalers = [first, second];
  for (const scaler of scalers) await waitForRevision(scaler, "hello");
  await waitUntil("a writer", () => writer() !== "", takeoverMs);
  await api.restart();
  api.put(paths.deployments, toDeployment("after-restart"));
  for (const scaler of scalers) await waitForRevision(scaler, "after-restart");
  let refused = 0;
  api.fault = () => {
    refused++;
    return { status: 401, body: toStatus(401, "Unauthorized", "Unauthorized") };
  };
  api.cutWatches(true);
  await waitUntil("refusals of both", () => refused > 20, takeoverMs);
  expect(
    await revisionsOf(scalers[1] ?? scalers[0] ?? { name: "", port: 0, kill: () => undefined }),
  ).toContain("hello");
  api.fault = () => undefined;
  api.put(paths.deployments, toDeployment("after-refusal"));
  for (const scaler of scalers) await waitForRevision(scaler, "after-refusal");
  api.requests.length = 0;
  harness.decide(toDecision("after-refusal", 3));
  await waitUntil("three replicas", () => harness.replicasOf("after-refusal") === 3, takeoverMs);
  expect(api.count("PATCH", "/after-refusal/scale")).toBe(1);
});
