import { encodeStatBatch, type FeedObject } from "@sluice/core";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Bench } from "./harness/bench.ts";
import { median } from "./harness/median.ts";
import type { Cell } from "./harness/table.ts";
import { withAggregator } from "./subjects/served-aggregator.ts";

const revisions = 2000;
const wakes = 1000;
const warmUp = 100;
const startIso = "2026-11-23T10:00:00.000Z";

function createRevision(index: number): FeedObject {
  return {
    kind: "revision",
    namespace: "default",
    name: `hello-${index}`,
    service: `hello-${index}`,
    containerConcurrency: 0,
    protocol: "http1",
    timeouts: { request: 300, responseStart: 0, idle: 0 },
    annotations: {},
    readiness: { probe: "tcp", hasStartupProbe: false },
    reachable: true,
    createdAt: startIso,
    applied: { replicas: 0, mode: "proxy", modeSince: startIso, decidedAt: startIso },
  };
}

function createFirstStat(index: number): Uint8Array {
  const stat = {
    podName: "activator-0",
    averageConcurrentRequests: 1,
    averageProxiedConcurrentRequests: 0,
    requestCount: 1,
    proxiedRequestCount: 0,
    processUptime: 0,
    timestamp: Math.floor(Date.now() / 1000),
    held: 1,
  };
  return encodeStatBatch([{ namespace: "default", name: `hello-${index}`, stat }]);
}

/** Milliseconds from sending the first stat of a revision at zero to its line on the watch. */
async function measureWakes(port: number): Promise<readonly number[]> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  await once(socket, "open");
  const sent = request({ host: "127.0.0.1", port, path: "/v1/scale?watch=true" });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  let wanted = "";
  let onLine = (): void => undefined;
  response.on("data", (bytes: Buffer) => {
    if (wanted !== "" && bytes.includes(wanted)) onLine();
  });
  response.on("error", () => response.destroy());
  const times: number[] = [];
  try {
    for (let index = 0; index < wakes + warmUp; index++) {
      // At no fixed distance from the aggregator's own rounds.
      await delay(1 + Math.random() * 8);
      const seen = new Promise<void>((resolve) => (onLine = resolve));
      wanted = `"key":"default/hello-${index}","object"`;
      const startMs = performance.now();
      socket.send(createFirstStat(index));
      await seen;
      wanted = "";
      if (index >= warmUp) times.push(performance.now() - startMs);
    }
  } finally {
    socket.terminate();
    sent.destroy();
  }
  return times.toSorted((a, b) => a - b);
}

async function run(): Promise<readonly Cell[]> {
  const objects = Array.from({ length: revisions }, (_, index) => createRevision(index));
  const times = await withAggregator(objects, async ({ port }) => await measureWakes(port));
  return [times.length, median(times), times[Math.floor(times.length * 0.99)], times.at(-1)];
}

export const bench: Bench = {
  question: "How soon after the first request at zero is the decision on the watch?",
  async run(options) {
    options.log(`${wakes} revisions are woken one after the other`);
    return [
      {
        title: "Aggregator: from the first stat at zero to the decision on the watch",
        columns: ["wakes", "median ms", "p99 ms", "longest ms"],
        rows: [await run()],
        notes: [`${revisions} revisions known; sender, aggregator and watcher on one machine; aim 3 ms p99`],
      },
    ];
  },
};
