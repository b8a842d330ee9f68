import { encodeStat, statContentType, type FeedObject } from "@sluice/core";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { readProcessUsage } from "./harness/process-usage.ts";
import type { Cell } from "./harness/table.ts";
import { withAggregator } from "./subjects/served-aggregator.ts";

const podsPerRevision = 3;
const sizes = [0, 300, 1000] as const;
const warmUpSeconds = 5;
const leastSeconds = 10;
const startIso = "2026-11-23T10:00:00.000Z";

/** Every pod has an address of its own, so that each costs a connection, as it does in a cluster. */
function* createFeed(revisions: number, statsPort: number): Iterable<FeedObject> {
  for (let index = 0; index < revisions; index++) {
    const name = `hello-${index}`;
    yield {
      kind: "revision",
      namespace: "default",
      name,
      service: name,
      containerConcurrency: 0,
      protocol: "http1",
      timeouts: { request: 300, responseStart: 0, idle: 0 },
      annotations: { "autoscaling.knative.dev/target-burst-capacity": "0" },
      readiness: { probe: "tcp", hasStartupProbe: false },
      reachable: true,
      createdAt: startIso,
      applied: { replicas: podsPerRevision, mode: "serve", modeSince: startIso, decidedAt: startIso },
    };
    for (let pod = 0; pod < podsPerRevision; pod++) {
      const number = index * podsPerRevision + pod;
      yield {
        kind: "pod",
        namespace: "default",
        revision: name,
        name: `${name}-${pod}`,
        address: `127.1.${number >> 8}.${number & 255}`,
        ports: { main: 8012, stats: statsPort, metrics: 9091, admin: 8022 },
        ready: true,
        terminating: false,
        startedAt: startIso,
      };
    }
  }
}

async function measure(revisions: number, options: BenchOptions): Promise<readonly number[]> {
  const body = encodeStat({
    podName: "hello",
    averageConcurrentRequests: 150,
    averageProxiedConcurrentRequests: 0,
    requestCount: 100,
    proxiedRequestCount: 0,
    processUptime: 1,
    timestamp: 0,
    held: 0,
  });
  let answered = 0;
  let sockets = 0;
  const pods = createServer((_request, response) => {
    answered++;
    response.writeHead(200, { "content-type": statContentType, "content-length": body.length });
    response.end(body);
  });
  pods.on("connection", () => sockets++);
  pods.listen(0, "0.0.0.0");
  await once(pods, "listening");
  try {
    return await withAggregator(
      createFeed(revisions, (pods.address() as AddressInfo).port),
      async ({ pid }) => {
        await delay(warmUpSeconds * 1000);
        const before = { cpuMs: readProcessUsage(pid).cpuMs ?? Number.NaN, answered, sockets };
        const startMs = performance.now();
        await delay(Math.max(leastSeconds, options.seconds) * 1000);
        const seconds = (performance.now() - startMs) / 1000;
        const cpuMs = (readProcessUsage(pid).cpuMs ?? Number.NaN) - before.cpuMs;
        return [
          revisions * podsPerRevision,
          (answered - before.answered) / seconds,
          (cpuMs / seconds / 1000) * 100,
          (sockets - before.sockets) / seconds,
        ];
      },
    );
  } finally {
    pods.closeAllConnections();
    pods.close();
  }
}

export const bench: Bench = {
  question: "What does asking pods for their stats cost the aggregator?",
  async run(options) {
    const rows: (readonly Cell[])[] = [];
    let idle = 0;
    for (const size of sizes) {
      options.log(`${size} revisions whose ${podsPerRevision} pods are asked each second`);
      const [pods = 0, perSecond = 0, share = 0, sockets = 0] = await measure(size, options);
      if (size === 0) idle = share;
      const perScrape = perSecond === 0 ? undefined : ((share - idle) * 10_000) / perSecond;
      rows.push([pods, perSecond, share, perScrape, sockets]);
    }
    return [
      {
        title: "Aggregator: scraping sidecars",
        columns: ["pods", "scrapes/s", "CPU % of a core", "CPU µs/scrape", "new sockets/s"],
        rows,
        notes: [
          "the whole process, evaluations included; each pod has an address of its own; idle share taken off",
        ],
      },
    ];
  },
};
