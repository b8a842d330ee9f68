import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { toFeedKey, type FeedObject } from "@sluice/core";
import { AdminServer, createLogger, createMetrics, WatchHub } from "@sluice/kit";
import { WebSocketServer } from "ws";
import type { Bench, BenchOptions } from "./harness/bench.ts";
import { findProgram } from "./harness/find-program.ts";
import { findFreePort, findFreePorts } from "./harness/free-port.ts";
import { runHostLoad, whyNoHostLoad } from "./harness/host-load.ts";
import { median } from "./harness/median.ts";
import { startNginx } from "./harness/nginx.ts";
import { readProcessUsage } from "./harness/process-usage.ts";
import { startProcess, type StartedProcess } from "./harness/started-process.ts";
import type { Table } from "./harness/table.ts";
import { waitUntilServed } from "./harness/wait-until-served.ts";
import { toFleetHost, toFleetObjects, toFleetPod } from "./subjects/fleet-objects.ts";
import { activatorBundle, findMissingBundles } from "./subjects/sluice-proxies.ts";

const revisionCount = 10_000;
const receivingCount = 1000;
const connections = 50;
const changes = 300;
const defaultRounds = 3;
const log = createLogger({ name: "bench", level: "silent" });

/** Every pod has an address of its own on the loopback device. */
function toAddress(index: number): string {
  return `127.0.${1 + (index >> 8)}.${index & 255}`;
}

/** All pods in one nginx: it answers the activator's probe as a sidecar does. */
function startPods(port: number): StartedProcess {
  const listens = Array.from({ length: receivingCount }, (_, index) => `listen ${toAddress(index)}:${port};`);
  return startNginx(
    "pods",
    `server {
      ${listens.join("\n")}
      location = /healthz { return 200 "queue"; }
      location / { return 200 "hello"; }
    }`,
  );
}

/** An activator as a process, with a feed and an aggregator in this one. */
class Fleet {
  readonly hub: WatchHub<FeedObject>;
  readonly child: StartedProcess;
  readonly url: string;
  readonly #stop: () => Promise<unknown>;

  private constructor(
    hub: WatchHub<FeedObject>,
    child: StartedProcess,
    url: string,
    stop: () => Promise<unknown>,
  ) {
    this.hub = hub;
    this.child = child;
    this.url = url;
    this.#stop = stop;
  }

  static async start(
    revisions: number,
    receiving: number,
    toPod: (index: number) => FeedObject,
  ): Promise<Fleet> {
    const hub = new WatchHub<FeedObject>();
    const aggregator = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await once(aggregator, "listening");
    const { port: http } = aggregator.address() as AddressInfo;
    const objects: FeedObject[] = [{ kind: "aggregator", name: "a", address: "127.0.0.1", ports: { http } }];
    for (let index = 0; index < revisions; index++) objects.push(...toFleetObjects(index));
    for (let index = 0; index < receiving; index++) objects.push(toPod(index));
    for (const object of objects) hub.set(toFeedKey(object), object);
    hub.markListed();
    const routes = hub.toRoutes("/v1/feed");
    const server = new AdminServer({ address: "127.0.0.1", port: 0, log, metrics: createMetrics(), routes });
    const feed = await server.listen();
    const [publicPort = 0, internalPort = 0, adminPort = 0] = await findFreePorts(3);
    const child = startProcess({
      command: process.execPath,
      args: [activatorBundle],
      environment: {
        SLUICE_FEED: `http://127.0.0.1:${feed.port}/v1/feed`,
        SLUICE_PUBLIC_PORT: String(publicPort),
        SLUICE_INTERNAL_PORT: String(internalPort),
        SLUICE_ADMIN_PORT: String(adminPort),
        SLUICE_LOG_LEVEL: "warn",
      },
    });
    await waitUntilServed(`http://127.0.0.1:${adminPort}/readyz`, child);
    return new Fleet(hub, child, `http://127.0.0.1:${publicPort}`, async () => {
      await child.stop();
      hub.close();
      aggregator.close();
      for (const client of aggregator.clients) client.terminate();
      await server.close();
    });
  }

  async stop(): Promise<void> {
    await this.#stop();
  }
}

interface Subject {
  readonly name: string;
  readonly fleet: Fleet;
  readonly hosts: readonly string[];
  readonly cpuUs: number[];
  readonly rates: number[];
}

/** In no order that the table or the sequence of pods has. */
function toHosts(count: number): string[] {
  return Array.from({ length: count }, (_, index) => toFleetHost((index * 7919) % count));
}

async function measure(subject: Subject, seconds: number): Promise<void> {
  const { fleet, hosts } = subject;
  const before = readProcessUsage(fleet.child.pid).cpuMs ?? 0;
  const result = await runHostLoad(fleet.url, hosts, connections, seconds);
  const after = readProcessUsage(fleet.child.pid).cpuMs ?? 0;
  if (result.failures > 0) throw new Error(`${result.failures} requests failed`);
  subject.cpuUs.push(((after - before) * 1000) / result.requests);
  subject.rates.push(result.requestsPerSecond);
}

/** Milliseconds from a pod's object being published to the activator's first question to the pod. */
async function measureChanges(fleet: Fleet): Promise<number[]> {
  let heard: (() => void) | undefined;
  const server: Server = createServer((_request, response) => {
    response.setHeader("connection", "close").end("queue");
    heard?.();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const durations: number[] = [];
  for (let turn = 0; turn < changes; turn++) {
    const pod = toFleetPod(
      receivingCount + ((turn * 7919) % (revisionCount - receivingCount)),
      "127.0.0.1",
      port,
    );
    const startMs = performance.now();
    const asked = new Promise<void>((resolve) => (heard = resolve));
    fleet.hub.set(toFeedKey(pod), pod);
    await asked;
    durations.push(performance.now() - startMs);
  }
  server.close();
  return durations.toSorted((one, other) => one - other);
}

async function run(options: BenchOptions): Promise<readonly Table[]> {
  const noNginx = findProgram("nginx") === undefined ? "nginx is not on the PATH" : undefined;
  const missing = findMissingBundles("activator") ?? whyNoHostLoad() ?? noNginx;
  if (missing !== undefined) throw new Error(missing);
  const podPort = await findFreePort();
  const pods = startPods(podPort);
  const fleets: Fleet[] = [];
  try {
    await waitUntilServed(`http://${toAddress(0)}:${podPort}/`, pods);
    const start = async (revisions: number, receiving: number, addresses: number): Promise<Fleet> => {
      const fleet = await Fleet.start(revisions, receiving, (index) =>
        toFleetPod(index, toAddress(index % addresses), podPort),
      );
      fleets.push(fleet);
      return fleet;
    };
    const add = (name: string, fleet: Fleet, hosts: readonly string[]): number =>
      subjects.push({ name, fleet, hosts, cpuUs: [], rates: [] });
    const subjects: Subject[] = [];
    add("1", await start(1, 1, 1), toHosts(1));
    add("10,000, 1,000 receiving", await start(revisionCount, receivingCount, 1), toHosts(receivingCount));
    const many = await start(revisionCount, receivingCount, receivingCount);
    add("the same, each pod at an address of its own", many, toHosts(receivingCount));
    for (const { fleet, hosts } of subjects) await runHostLoad(fleet.url, hosts, connections, 3);
    const rounds = options.rounds ?? defaultRounds;
    for (let round = 1; round <= rounds; round++) {
      for (const subject of subjects) {
        options.log(`round ${round}: ${subject.name}`);
        await measure(subject, options.seconds);
      }
    }
    const durations = await measureChanges(many);
    return [toRequestTable(subjects, rounds, options.seconds), toChangeTable(durations)];
  } finally {
    for (const fleet of fleets) await fleet.stop();
    await pods.stop();
  }
}

function toRequestTable(subjects: readonly Subject[], rounds: number, seconds: number): Table {
  const alone = median(subjects[0]?.cpuUs ?? []);
  return {
    title: "A request's cost by how many revisions the feed has",
    columns: ["revisions", "requests/s", "CPU µs/request", "÷ one revision"],
    rows: subjects.map(({ name, cpuUs, rates }) => [
      name,
      Math.round(median(rates)),
      median(cpuUs),
      median(cpuUs) / alone,
    ]),
    notes: [
      `wrk, ${connections} connections, one host after the other; ${rounds} rounds of ${seconds} s, in turn`,
      "each receiving revision has a pod, all in one nginx; stats go to an aggregator each second",
      "pods at one address share its connections: the first two differ in what routing and counting cost, the last also in a thousand sockets",
    ],
  };
}

function toChangeTable(durations: readonly number[]): Table {
  const at = (share: number): number | undefined => durations[Math.floor((durations.length - 1) * share)];
  return {
    title: `One pod appears among ${revisionCount} revisions: until the activator asks it, ms`,
    columns: ["changes", "median", "p99", "longest"],
    rows: [[durations.length, at(0.5), at(0.99), at(1)]],
    notes: ["publishing, the feed's stream, checking, applying, connecting and the first probe"],
  };
}

export const bench: Bench = {
  question: "What does a request cost among 10,000 revisions, and how soon does a changed pod count?",
  run,
};
