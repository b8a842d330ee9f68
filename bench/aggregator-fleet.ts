import { encodeStatBatch, toFeedKey, type FeedObject, type RevisionStat } from "@sluice/core";
import { AdminServer, createLogger, createMetrics, WatchHub } from "@sluice/kit";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { findFreePort } from "./harness/free-port.ts";
import { readProcessUsage } from "./harness/process-usage.ts";
import { startProcess } from "./harness/started-process.ts";
import type { Cell } from "./harness/table.ts";
import { waitUntilServed } from "./harness/wait-until-served.ts";

const main = join(import.meta.dirname, "..", "packages", "aggregator", "src", "main.ts");
const sizes = [1000, 10_000] as const;
const podsPerRevision = 10;
const activators = 4;
const warmUpSeconds = 8;
const leastSeconds = 10;
const startIso = "2026-11-23T10:00:00.000Z";
const log = createLogger({ name: "bench", level: "silent" });

function* createFeed(revisions: number): Iterable<FeedObject> {
  for (let index = 0; index < revisions; index++) {
    const name = `hello-${index}-00001`;
    yield {
      kind: "revision",
      namespace: "default",
      name,
      service: `hello-${index}`,
      containerConcurrency: 0,
      protocol: "http1",
      timeouts: { request: 300, responseStart: 0, idle: 0 },
      annotations: {
        "autoscaling.knative.dev/target": "10",
        "autoscaling.knative.dev/target-burst-capacity": "-1",
      },
      readiness: { probe: "tcp", hasStartupProbe: false },
      reachable: true,
      createdAt: startIso,
      applied: { replicas: podsPerRevision, mode: "proxy", modeSince: startIso, decidedAt: startIso },
    };
    for (let pod = 0; pod < podsPerRevision; pod++) {
      yield {
        kind: "pod",
        namespace: "default",
        revision: name,
        name: `${name}-deployment-${pod}`,
        address: `10.${index >> 8}.${index & 255}.${pod}`,
        ports: { main: 8012, stats: 9090, metrics: 9091, admin: 8022 },
        ready: true,
        terminating: false,
        startedAt: startIso,
      };
    }
  }
}

/** What one activator says in one second: about every revision, and never quite the same. */
function createBatch(activator: number, revisions: number, second: number): Uint8Array {
  const batch: RevisionStat[] = [];
  for (let index = 0; index < revisions; index++) {
    const concurrency = 15 + ((index + second + activator) % 5);
    batch.push({
      namespace: "default",
      name: `hello-${index}-00001`,
      stat: {
        podName: `activator-${activator}`,
        averageConcurrentRequests: concurrency,
        averageProxiedConcurrentRequests: 0,
        requestCount: concurrency * 10,
        proxiedRequestCount: 0,
        processUptime: 0,
        timestamp: second,
        held: 0,
      },
    });
  }
  return encodeStatBatch(batch);
}

async function serveFeed(revisions: number) {
  const hub = new WatchHub<FeedObject>();
  for (const object of createFeed(revisions)) hub.set(toFeedKey(object), object);
  hub.markListed();
  const routes = hub.toRoutes("/v1/feed");
  const server = new AdminServer({ address: "127.0.0.1", port: 0, log, metrics: createMetrics(), routes });
  const { port } = await server.listen();
  return {
    url: `http://127.0.0.1:${port}/v1/feed`,
    async close() {
      hub.close();
      await server.close();
    },
  };
}

/** Sends each activator's batch once a second, the four a quarter of a second apart. */
async function sendStats(sockets: readonly WebSocket[], revisions: number, seconds: number): Promise<void> {
  const startMs = performance.now();
  for (let turn = 0; turn < seconds * activators; turn++) {
    await delay(Math.max(0, startMs + (turn * 1000) / activators - performance.now()));
    const activator = turn % activators;
    sockets[activator]?.send(createBatch(activator, revisions, Math.floor(Date.now() / 1000)));
  }
}

async function measure(revisions: number, options: BenchOptions): Promise<readonly number[]> {
  const feed = await serveFeed(revisions);
  const port = await findFreePort();
  const environment = { SLUICE_FEED: feed.url, SLUICE_PORT: String(port), SLUICE_LOG_LEVEL: "warn" };
  const child = startProcess({ command: process.execPath, args: [main], environment });
  const sockets: WebSocket[] = [];
  try {
    await waitUntilServed(`http://127.0.0.1:${port}/readyz`, child);
    for (let index = 0; index < activators; index++) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
      sockets.push(socket);
      await once(socket, "open");
    }
    await sendStats(sockets, revisions, warmUpSeconds);
    const statsBefore = await readStats(port);
    const cpuBeforeMs = readProcessUsage(child.pid).cpuMs ?? Number.NaN;
    const startMs = performance.now();
    await sendStats(sockets, revisions, Math.max(leastSeconds, options.seconds));
    const seconds = (performance.now() - startMs) / 1000;
    const { cpuMs = Number.NaN, peakRssMib = Number.NaN } = readProcessUsage(child.pid);
    const msPerSecond = (cpuMs - cpuBeforeMs) / seconds;
    const stats = ((await readStats(port)) - statsBefore) / seconds;
    return [revisions, stats, msPerSecond / 10, peakRssMib, (msPerSecond * 1000) / revisions];
  } finally {
    for (const socket of sockets) socket.terminate();
    await child.stop();
    await feed.close();
  }
}

/** The metrics of ten thousand revisions are not free, so they are read outside of the measured time. */
async function readStats(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^sluice_aggregator_stats_total\{fate="recorded"\} (\S+)$/m.exec(text)?.[1] ?? 0);
}

export const bench: Bench = {
  question: "What do ten thousand revisions cost the aggregator, and how does that grow?",
  async run(options) {
    const rows: (readonly Cell[])[] = [];
    for (const size of sizes) {
      options.log(`${size} revisions with ${podsPerRevision} pods each, ${activators} activators`);
      rows.push(await measure(size, options));
    }
    return [
      {
        title: `Aggregator: ${podsPerRevision} pods a revision, stats from ${activators} activators each second`,
        columns: ["revisions", "stats/s", "CPU % of a core", "peak RSS MiB", "CPU µs/revision/s"],
        rows,
        notes: [
          "the whole process: stats in, every evaluation, every changed decision serialised; aims 25 % and 600 MiB",
        ],
      },
    ];
  },
};
