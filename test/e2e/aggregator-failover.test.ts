import {
  decisionSchema,
  encodeStatBatch,
  toKey,
  type Decision,
  type ObjectKey,
  type Revision,
  type RevisionStat,
} from "@sluice/core";
import { WatchClient } from "@sluice/kit";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createPod, createRevision, createStat, silentLog, TestFeed } from "../support/aggregator-harness.ts";

const main = join(import.meta.dirname, "..", "..", "packages", "aggregator", "src", "main.ts");
const revisionCount = 12;
/** 25 in flight at a target of 10. */
const inFlight = 25;
const wantedPods = 3;

class Member {
  readonly name: string;
  readonly port: number;
  readonly decisions = new Map<ObjectKey, Decision>();
  readonly #feed: string;
  readonly #onDecision: (decision: Decision) => void;
  #process: ChildProcess | undefined;
  #watch: WatchClient<Decision> | undefined;
  #socket: WebSocket | undefined;

  constructor(name: string, port: number, feed: string, onDecision: (decision: Decision) => void) {
    this.name = name;
    this.port = port;
    this.#feed = feed;
    this.#onDecision = onDecision;
  }

  get isUp(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  async start(): Promise<void> {
    this.#process = spawn(process.execPath, [main], {
      env: {
        SLUICE_FEED: this.#feed,
        SLUICE_PORT: String(this.port),
        POD_NAME: this.name,
        SLUICE_LOG_LEVEL: "warn",
      },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const take = (decision: Decision): void => {
      this.decisions.set(toKey(decision), decision);
      this.#onDecision(decision);
    };
    this.#watch = new WatchClient({
      url: `http://127.0.0.1:${this.port}/v1/scale`,
      schema: decisionSchema,
      log: silentLog,
      backoff: { firstMs: 20, capMs: 100 },
      onSnapshot: (all) => all.forEach(take),
      onPut: (_key, decision) => take(decision),
    });
    await this.#watch.ready;
    this.#socket = new WebSocket(`ws://127.0.0.1:${this.port}/`, {
      headers: { "sluice-activator": "activator-0" },
    });
    this.#socket.on("error", () => this.#socket?.terminate());
    await once(this.#socket, "open");
  }

  send(batch: readonly RevisionStat[]): void {
    this.#socket?.send(encodeStatBatch(batch));
  }

  /** As a machine that loses power. */
  async kill(): Promise<void> {
    const running = this.#process;
    if (running === undefined) return;
    this.#process = undefined;
    const exited = once(running, "exit");
    running.kill("SIGKILL");
    await exited;
    this.#socket?.terminate();
    await this.#watch?.close();
    this.decisions.clear();
  }
}

const members: Member[] = [];
afterAll(async () => {
  await Promise.all(members.map((member) => member.kill()));
});

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

test("three aggregators are killed in turn under load: others take over, every member serves every decision, no pod is lost", async () => {
  const revisions = Array.from({ length: revisionCount }, (_, index) =>
    createRevision({
      name: `hello-${index}`,
      annotations: {
        "autoscaling.knative.dev/target": "10",
        "autoscaling.knative.dev/target-utilization-percentage": "100",
        "autoscaling.knative.dev/target-burst-capacity": "-1",
      },
    }),
  );
  await using feed = await TestFeed.open(revisions);
  const lowest = new Map<ObjectKey, number>();
  let isSettled = false;

  /** The platform: does at once what it is told, whoever says it. */
  const obey = (decision: Decision): void => {
    const key = toKey(decision);
    const revision = revisions.find((candidate) => toKey(candidate) === key);
    if (revision === undefined) return;
    if (isSettled) lowest.set(key, Math.min(lowest.get(key) ?? decision.desiredPods, decision.desiredPods));
    publish(feed, revision, decision);
  };
  for (const name of ["a", "b", "c"]) {
    const member = new Member(`aggregator-${name}`, await findFreePort(), feed.url, obey);
    members.push(member);
    feed.put({ kind: "aggregator", name: member.name, address: "127.0.0.1", ports: { http: member.port } });
  }
  feed.put({ kind: "activator", name: "activator-0", address: "127.0.0.1", ports: { admin: 1 } });
  await Promise.all(members.map((member) => member.start()));

  // The activator: sends every stat to whichever member is next, right or wrong.
  let turn = 0;
  const load = setInterval(() => {
    const up = members.filter((member) => member.isUp);
    for (const { namespace, name } of revisions) {
      const stat = createStat({
        averageConcurrentRequests: inFlight,
        requestCount: inFlight,
        timestamp: Math.floor(Date.now() / 1000),
      });
      up[turn++ % up.length]?.send([{ namespace, name, stat }]);
    }
  }, 1000);
  try {
    const isEverywhere = (owners: readonly string[], pods: number): boolean =>
      members.every(
        ({ isUp, decisions }) =>
          !isUp ||
          (decisions.size === revisionCount &&
            [...decisions.values()].every(
              (decision) => owners.includes(decision.owner) && decision.desiredPods >= pods,
            )),
      );
    const names = members.map(({ name }) => name);
    await expect.poll(() => isEverywhere(names, wantedPods), { timeout: 20_000 }).toBe(true);
    const owners = new Set([...(members[0]?.decisions.values() ?? [])].map(({ owner }) => owner));
    expect([...owners].toSorted()).toEqual(names);
    isSettled = true;

    for (const victim of members) {
      await victim.kill();
      const survivors = names.filter((name) => name !== victim.name);
      await expect.poll(() => isEverywhere(survivors, wantedPods), { timeout: 10_000 }).toBe(true);
      await victim.start();
      await expect
        .poll(() => [...victim.decisions.values()].some(({ owner }) => owner === victim.name), {
          timeout: 20_000,
        })
        .toBe(true);
    }
    expect(Math.min(...lowest.values())).toBeGreaterThanOrEqual(wantedPods);
  } finally {
    clearInterval(load);
  }
});

function publish(feed: TestFeed, revision: Revision, decision: Decision): void {
  const { desiredPods: replicas, mode, decidedAt } = decision;
  feed.put({ ...revision, applied: { replicas, mode, modeSince: revision.applied.modeSince, decidedAt } });
  for (let index = 0; index < replicas; index++) {
    feed.put(createPod(`${revision.name}-pod-${index}`, { revision: revision.name }));
  }
}
