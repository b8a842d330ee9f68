import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { findFreePorts } from "./harness/free-port.ts";
import { readProcessUsage } from "./harness/process-usage.ts";
import { startProcess, type StartedProcess } from "./harness/started-process.ts";
import type { Cell, Table } from "./harness/table.ts";
import { temporaryFolder } from "./harness/temporary-folder.ts";
import { activatorBundle, findMissingBundles, toBenchFeed } from "./subjects/sluice-proxies.ts";
import { waitUntilServed } from "./harness/wait-until-served.ts";

const host = "bench.default.example.com";
const podCount = 10;
const requestCount = 20_000;
/** A connection is a file, of which a process may often have 20,000; the pods' connections are files, too. */
const connectionCount = 12_000;

interface Arrivals {
  /** Request numbers in the order in which pods got them. */
  readonly order: number[];
}

export const bench: Bench = {
  question: "What does holding 20,000 requests at zero cost, and how are they released when ten pods come?",
  async run(options) {
    const missing = findMissingBundles("activator");
    if (missing !== undefined) throw new Error(missing);
    const rows: Cell[][] = [];
    for (const concurrency of [0, 100]) rows.push(await measure(concurrency, options));
    return [toTable(rows)];
  },
};

async function measure(concurrency: number, options: BenchOptions): Promise<Cell[]> {
  const arrivals: Arrivals = { order: [] };
  const pods = await Promise.all(Array.from({ length: podCount }, () => startPod(arrivals)));
  const feed = join(temporaryFolder(), `held-${concurrency}.yaml`);
  const [publicPort = 0, internalPort = 0, adminPort = 0] = await findFreePorts(3);
  writeFileSync(feed, JSON.stringify(toBenchFeed([], concurrency)));
  const activator = startProcess({
    command: process.execPath,
    args: [activatorBundle],
    environment: {
      SLUICE_FEED: feed,
      SLUICE_PUBLIC_PORT: String(publicPort),
      SLUICE_INTERNAL_PORT: String(internalPort),
      SLUICE_ADMIN_PORT: String(adminPort),
      SLUICE_LOG_LEVEL: "warn",
    },
  });
  try {
    await waitUntilServed(`http://127.0.0.1:${adminPort}/readyz`, activator);
    const idle = readProcessUsage(activator.pid);
    const clients = startClients(publicPort);
    await clients.line("written");
    await untilHeld(adminPort, activator);
    options.log(`${requestCount} requests are held, limit ${concurrency}`);
    const held = readProcessUsage(activator.pid);
    const startMs = Date.now();
    const ports = pods.map((pod) => (pod.address() as AddressInfo).port);
    writeFileSync(feed, JSON.stringify(toBenchFeed(ports, concurrency)));
    const result = await clients.line("statuses");
    const statuses = result["statuses"] as Record<string, number>;
    const after = readProcessUsage(activator.pid);
    return [
      concurrency === 0 ? "no limit" : String(concurrency),
      statuses["200"] ?? 0,
      requestCount - (statuses["200"] ?? 0),
      Number(result["endedAtMs"]) - startMs,
      longestDisplacement(arrivals.order),
      idle.anonymousMib,
      held.anonymousMib,
      after.peakRssMib,
    ];
  } finally {
    await activator.stop();
    for (const pod of pods) {
      pod.close();
      pod.closeAllConnections();
    }
  }
}

/** Answers the probe as a sidecar does, and remembers which request came when. */
async function startPod(arrivals: Arrivals): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.headers["k-network-probe"] !== undefined) {
      response.end("queue");
      return;
    }
    arrivals.order.push(Number(request.url?.slice(1)));
    response.end("ok");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function startClients(port: number) {
  const program = join(import.meta.dirname, "programs", "held-clients.ts");
  const child = spawn(
    process.execPath,
    [program, String(port), String(connectionCount), String(requestCount - connectionCount), host],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  process.once("exit", () => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async line(key: string): Promise<Record<string, unknown>> {
      for (;;) {
        const next = await lines.next();
        if (next.done === true) throw new Error(`the clients ended without saying ${key}`);
        const fields = JSON.parse(next.value) as Record<string, unknown>;
        if (key in fields) return fields;
      }
    },
  };
}

async function untilHeld(adminPort: number, activator: StartedProcess): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
    const held = Number(/^sluice_activator_held_requests\{.*\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
    if (held === requestCount) return;
    if (activator.hasEnded()) throw new Error(`the activator ended: ${activator.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** How far the most displaced request is from its place; connections to pods race, so it is not 0. */
function longestDisplacement(order: readonly number[]): number {
  let longest = 0;
  for (const [place, request] of order.entries()) longest = Math.max(longest, Math.abs(place - request));
  return longest;
}

function toTable(rows: readonly Cell[][]): Table {
  return {
    title: `${requestCount} requests held at zero, released by ${podCount} pods`,
    columns: [
      "limit per pod",
      "answered 200",
      "others",
      "all answered after ms",
      "longest displacement",
      "anonymous MiB idle",
      "anonymous MiB holding",
      "peak RSS MiB",
    ],
    rows,
    notes: [
      `${connectionCount} HTTP/1.1 connections with a request each, then HTTP/2 streams, 100 on a connection; clients in a process of their own, pods in the bench's`,
      "displacement: between a request's place among the clients' and among the pods' arrivals; 64 clients open at once",
    ],
  };
}
