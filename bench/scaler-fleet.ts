import type { Decision } from "@sluice/core";
import { AdminServer, createLogger, createMetrics, WatchHub } from "@sluice/kit";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, request, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { MountedCertificate } from "../test/support/certificate.ts";
import { FakeKubernetes } from "../test/support/fake-kubernetes.ts";
import {
  paths,
  toDecision,
  toDeployment,
  toPod,
  toReplicaSet,
  toService,
} from "../test/support/scaler-harness.ts";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { findFreePort } from "./harness/free-port.ts";
import { median } from "./harness/median.ts";
import { readProcessUsage } from "./harness/process-usage.ts";
import { startProcess, type StartedProcess } from "./harness/started-process.ts";
import type { Table } from "./harness/table.ts";
import { toServerObject } from "./subjects/server-object.ts";
import { temporaryFolder } from "./harness/temporary-folder.ts";

const deployments = 1000;
const podsPerDeployment = 3;
const decisionsPerRound = 200;
const readers = 50;
const changesPerRound = 200;
const defaultRounds = 3;
const root = join(import.meta.dirname, "..");
const log = createLogger({ name: "bench", level: "silent" });

/** The scaler alone is the process that is measured; API server, scale endpoint and readers are this one. */
interface Rig {
  readonly api: FakeKubernetes;
  readonly decisions: WatchHub<Decision>;
  readonly scaler: StartedProcess;
  readonly feedPort: number;
  close(): Promise<void>;
}

function fill(api: FakeKubernetes): void {
  for (let index = 0; index < deployments; index++) {
    const name = `app-${String(index).padStart(4, "0")}`;
    api.put(paths.deployments, toServerObject(toDeployment(name, { spec: { replicas: podsPerDeployment } })));
    api.put(paths.replicaSets, toServerObject(toReplicaSet(name)));
    api.put(paths.services, toService(name));
    for (let pod = 0; pod < podsPerDeployment; pod++) {
      const address = `10.${pod}.${index >> 8}.${index & 255 || 1}`;
      api.put(paths.pods, toServerObject(toPod(name, `${name}-${pod}`, { address, isReady: true })));
    }
  }
}

function writeKubeconfig(server: string, authority: string): string {
  const file = join(temporaryFolder(), "kubeconfig");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "fake", cluster: { server, "certificate-authority": authority } }],
    users: [{ name: "user", user: { token: "t" } }],
    contexts: [{ name: "fake", context: { cluster: "fake", user: "user" } }],
    "current-context": "fake",
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

async function startRig(certificate: MountedCertificate): Promise<Rig> {
  const bundle = join(root, "dist", "scaler.mjs");
  if (!existsSync(bundle)) throw new Error("dist/scaler.mjs is missing; run: npm run bundle");
  const { folder } = certificate;
  const read = (name: string): Buffer => readFileSync(join(folder, name));
  const api = new FakeKubernetes({ key: read("tls.key"), cert: read("tls.crt") });
  await api.start();
  fill(api);
  api.put(paths.secrets, { metadata: { name: "sluice-webhook", namespace: "sluice-system" } });
  api.put(paths.webhooks, { metadata: { name: "sluice-webhook" }, webhooks: [{ clientConfig: {} }] });
  const decisions = new WatchHub<Decision>();
  const routes = decisions.toRoutes("/v1/scale");
  const endpoint = new AdminServer({ address: "127.0.0.1", port: 0, log, metrics: createMetrics(), routes });
  const { port } = await endpoint.listen();
  decisions.markListed();
  const feedPort = await findFreePort();
  const scaler = startProcess({
    command: process.execPath,
    // As deploy/base/scaler.yaml starts it.
    args: ["--max-semi-space-size=2", "--max-old-space-size=320", bundle],
    environment: {
      MALLOC_ARENA_MAX: "1",
      MALLOC_MMAP_THRESHOLD_: "65536",
      KUBECONFIG: writeKubeconfig(api.url, join(folder, "ca.crt")),
      SLUICE_PORT: String(feedPort),
      SLUICE_WEBHOOK_PORT: String(await findFreePort()),
      SLUICE_SCALE_ENDPOINT: `http://127.0.0.1:${port}/v1/scale`,
    },
  });
  return {
    api,
    decisions,
    scaler,
    feedPort,
    async close() {
      await scaler.stop();
      decisions.close();
      await endpoint.close();
      await api.stop();
    },
  };
}

async function waitUntilWriting(rig: Rig): Promise<void> {
  while (rig.api.list(paths.leases).length === 0) {
    if (rig.scaler.hasEnded()) throw new Error(`the scaler ended: ${rig.scaler.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Milliseconds from a decision's appearance to its write arriving at the API server. */
async function measureDecisions(rig: Rig, rounds: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < decisionsPerRound * rounds; index++) {
    const name = `app-${String(index % deployments).padStart(4, "0")}`;
    const written = new Promise<void>((resolve) => {
      rig.api.onRequest = (sent) => {
        if (sent.method === "PATCH" && sent.path.endsWith(`${name}/scale`)) resolve();
      };
    });
    const startMs = performance.now();
    rig.decisions.set(
      `default/${name}`,
      toDecision(name, podsPerDeployment + 1 + Math.floor(index / deployments)),
    );
    await written;
    times.push(performance.now() - startMs);
  }
  return times;
}

async function startReader(port: number, agent: Agent, onBytes: (bytes: Buffer) => void): Promise<void> {
  const sent = request({ host: "127.0.0.1", port, path: "/v1/feed?watch=true", agent });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.on("error", () => response.destroy());
  const listed = new Promise<void>((resolve) => {
    response.on("data", (bytes: Buffer) => {
      if (bytes.includes("snapshot-end")) resolve();
      else onBytes(bytes);
    });
  });
  await listed;
}

/** Milliseconds from a pod's change at the API server to the last of the readers having it. */
async function measureFanOut(rig: Rig, rounds: number): Promise<number[]> {
  const agent = new Agent();
  const times: number[] = [];
  let waiting = 0;
  let onLast = (): void => undefined;
  const onBytes = (bytes: Buffer): void => {
    if (bytes.includes('"key":"pod/default/watched"') && --waiting === 0) onLast();
  };
  try {
    await Promise.all(Array.from({ length: readers }, () => startReader(rig.feedPort, agent, onBytes)));
    for (let index = 0; index < changesPerRound * rounds; index++) {
      const all = new Promise<void>((resolve) => (onLast = resolve));
      waiting = readers;
      const startMs = performance.now();
      rig.api.put(
        paths.pods,
        toServerObject(toPod("app-0000", "watched", { address: "10.9.9.9", isReady: index % 2 === 0 })),
      );
      await all;
      times.push(performance.now() - startMs);
    }
  } finally {
    agent.destroy();
  }
  return times;
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}

function toTimesRow(what: string, times: readonly number[]): readonly (string | number)[] {
  return [what, times.length, median(times), percentile(times, 99), Math.max(...times)];
}

function countRequests(api: FakeKubernetes): readonly (readonly [string, number, number])[] {
  const kinds = ["deployments", "replicaSets", "pods", "services", "slices", "autoscalers"] as const;
  return kinds.map((kind) => [kind, api.count("GET", paths[kind]), api.count("GET", paths[kind], true)]);
}

async function run(options: BenchOptions): Promise<readonly Table[]> {
  const rounds = options.rounds ?? defaultRounds;
  using certificate = new MountedCertificate("127.0.0.1");
  const rig = await startRig(certificate);
  try {
    options.log(`${deployments} Deployments, ${deployments * podsPerDeployment} pods`);
    await waitUntilWriting(rig);
    const listed = readProcessUsage(rig.scaler.pid);
    options.log("decisions");
    const decided = await measureDecisions(rig, rounds);
    options.log("fan-out");
    const fannedOut = await measureFanOut(rig, rounds);
    const used = readProcessUsage(rig.scaler.pid);
    const connections = await rig.api.countConnections();
    return [
      {
        title: `Scaler with ${deployments} Deployments and ${deployments * podsPerDeployment} pods: time in ms`,
        columns: ["what", "times", "p50", "p99", "longest"],
        rows: [
          toTimesRow("decision appears to write arrives at the API server", decided),
          toTimesRow(`pod changes at the API server to the last of ${readers} feed readers`, fannedOut),
        ],
        notes: [
          "API server, scale endpoint and readers are one process beside the scaler; their cost is in the figures",
        ],
      },
      {
        title: "Its memory and connections",
        columns: ["what", "value"],
        rows: [
          ["peak resident after listing, MiB", listed.peakRssMib],
          ["peak resident at the end, MiB", used.peakRssMib],
          ["anonymous at the end, MiB", used.anonymousMib],
          ["connections to the API server at the end", connections],
        ],
        notes: [],
      },
      {
        title: "Requests for each kind over the whole run",
        columns: ["kind", "lists (pages of 500)", "watches"],
        rows: countRequests(rig.api),
        notes: [],
      },
    ];
  } finally {
    await rig.close();
  }
}

export const bench: Bench = {
  question: "How does the scaler fare with 1,000 Deployments?",
  run,
};
