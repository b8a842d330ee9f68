import { toFeedKey, type FeedObject } from "@sluice/core";
import { AdminServer, createLogger, createMetrics, openFeed, WatchHub, type WatchReader } from "@sluice/kit";
import { once } from "node:events";
import { Agent, request, type IncomingMessage } from "node:http";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { median } from "./harness/median.ts";
import type { Cell, Table } from "./harness/table.ts";

const watcherCounts = [1, 10, 50, 200];
const revisionCount = 10_000;
const podsPerRevision = 10;
const changesPerRound = 200;
const defaultRounds = 3;

/** Server and readers share this process, so the figures hold the cost of both sides. */
interface Served {
  readonly hub: WatchHub<FeedObject>;
  readonly port: number;
  close(): Promise<void>;
}

const log = createLogger({ name: "bench", level: "silent" });

async function serve(): Promise<Served> {
  const hub = new WatchHub<FeedObject>();
  const routes = hub.toRoutes("/v1/feed");
  const server = new AdminServer({ address: "127.0.0.1", port: 0, log, metrics: createMetrics(), routes });
  const { port } = await server.listen();
  hub.markListed();
  return {
    hub,
    port,
    async close() {
      hub.close();
      await server.close();
    },
  };
}

function toPod(revision: number, pod: number, ready: boolean): FeedObject {
  const name = `revision-${revision}-00001`;
  return {
    kind: "pod",
    namespace: "default",
    revision: name,
    name: `${name}-deployment-${pod}`,
    address: `10.${revision >> 8}.${revision & 255}.${pod}`,
    ports: { main: 8012, stats: 9090, metrics: 9091, admin: 8022 },
    ready,
    terminating: false,
    startedAt: "2026-11-23T10:00:00.000Z",
  };
}

/** A reader that looks for one text in what comes and parses nothing. */
async function startWatcher(
  port: number,
  agent: Agent,
  onBytes: (bytes: Buffer) => void,
): Promise<IncomingMessage> {
  const sent = request({ host: "127.0.0.1", port, path: "/v1/feed?watch=true", agent });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.on("data", onBytes);
  response.on("error", () => response.destroy());
  return response;
}

/** Milliseconds from `set` to the last of the watchers having the line, for each change. */
async function measureFanOut(watchers: number, rounds: number): Promise<readonly Cell[]> {
  const served = await serve();
  const agent = new Agent();
  const times: number[] = [];
  let waiting = 0;
  let onLast = (): void => undefined;
  const onBytes = (bytes: Buffer): void => {
    if (bytes.includes('"put"') && --waiting === 0) onLast();
  };
  try {
    await Promise.all(Array.from({ length: watchers }, () => startWatcher(served.port, agent, onBytes)));
    for (let change = 0; change < changesPerRound * rounds; change++) {
      const all = new Promise<void>((resolve) => (onLast = resolve));
      waiting = watchers;
      const pod = toPod(1, 1, change % 2 === 0);
      const startMs = performance.now();
      served.hub.set(toFeedKey(pod), pod);
      await all;
      times.push(performance.now() - startMs);
    }
  } finally {
    agent.destroy();
    await served.close();
  }
  const sorted = times.toSorted((a, b) => a - b);
  return [watchers, times.length, median(sorted), sorted[Math.floor(sorted.length * 0.99)], sorted.at(-1)];
}

async function benchFanOut(options: BenchOptions): Promise<Table> {
  const rows: (readonly Cell[])[] = [];
  for (const watchers of watcherCounts) {
    options.log(`fan-out to ${watchers} watchers`);
    rows.push(await measureFanOut(watchers, options.rounds ?? defaultRounds));
  }
  return {
    title: "One changed pod, until the last watcher has it",
    columns: ["watchers", "changes", "median ms", "p99 ms", "longest ms"],
    rows,
    notes: ["hub and watchers in one process"],
  };
}

async function timeOf(run: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await run();
  return performance.now() - startMs;
}

async function benchSnapshot(options: BenchOptions): Promise<Table> {
  const served = await serve();
  const readers: WatchReader<FeedObject>[] = [];
  try {
    options.log(`${revisionCount} revisions with ${podsPerRevision} pods`);
    const pods = Array.from({ length: revisionCount * podsPerRevision }, (_, index) =>
      toPod(Math.floor(index / podsPerRevision), index % podsPerRevision, true),
    );
    const fillMs = await timeOf(() =>
      Promise.resolve(served.hub.replaceAll(pods.map((pod) => [toFeedKey(pod), pod]))),
    );
    const againMs = await timeOf(() =>
      Promise.resolve(served.hub.replaceAll(pods.map((pod) => [toFeedKey(pod), pod]))),
    );
    const readTimes: number[] = [];
    for (let round = 0; round < (options.rounds ?? defaultRounds); round++) {
      const reader = openFeed(`http://127.0.0.1:${served.port}/v1/feed`, { log });
      readers.push(reader);
      readTimes.push(await timeOf(() => reader.ready));
      await reader.close();
    }
    const readMs = median(readTimes);
    return {
      title: `${revisionCount * podsPerRevision} pods`,
      columns: ["step", "ms", "µs/pod"],
      rows: [
        ["hub takes all of them", fillMs, (fillMs * 1000) / pods.length],
        ["hub takes the same again (no change)", againMs, (againMs * 1000) / pods.length],
        [
          "a reader connects and has applied all, checked by the schema",
          readMs,
          (readMs * 1000) / pods.length,
        ],
      ],
      notes: ["hub and reader in one process"],
    };
  } finally {
    for (const reader of readers) await reader.close();
    await served.close();
  }
}

export const bench: Bench = {
  question: "How soon does a change of the feed reach every watcher, and what does a large snapshot cost?",
  async run(options) {
    return [await benchFanOut(options), await benchSnapshot(options)];
  },
};
