import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemClock, toFeedKey, type FeedObject, type ObjectKey } from "@sluice/core";
import { createMetrics } from "@sluice/kit";
import { ActiveRevision } from "../packages/activator/src/active-revision.ts";
import { FeedView } from "../packages/activator/src/feed-view.ts";
import { HoldBudget } from "../packages/activator/src/hold-budget.ts";
import { LimitsBook } from "../packages/activator/src/limits-book.ts";
import { PodProber } from "../packages/activator/src/pod-prober.ts";
import { RevisionBook } from "../packages/activator/src/revision-book.ts";
import { ActivatorMetrics } from "../packages/activator/src/revision-metrics.ts";
import { RouteTable } from "../packages/activator/src/route-table.ts";
import type { Bench } from "./harness/bench.ts";
import { median } from "./harness/median.ts";
import type { Table } from "./harness/table.ts";
import { toFleetHost, toFleetObjects, toFleetPod } from "./subjects/fleet-objects.ts";

const revisionCount = 10_000;
const receivingCount = 1000;
const lookups = 1_000_000;
const changes = 2000;

/** The activator's tables without its sockets; probes succeed at once. */
function build() {
  const objects = new Map<string, FeedObject>();
  const budgetLimits = { maxRequests: 1, maxBytes: 1 };
  const metrics = new ActivatorMetrics(createMetrics(), 1000);
  const prober = new PodProber({
    clock: systemClock,
    probe: (_tracker, _timeoutMs, done) => done(true),
    timeoutMs: 300,
    intervalMs: 200,
  });
  const limits = new LimitsBook(systemClock);
  const revisions = new RevisionBook({
    onGone: () => undefined,
    findRevision(key: ObjectKey) {
      const object = objects.get(`revision/${key}`);
      return object?.kind === "revision" ? object : undefined;
    },
    activate: (key, revision) =>
      new ActiveRevision(key, revision, {
        budget: new HoldBudget({ process: budgetLimits, revision: budgetLimits }),
        clock: systemClock,
        random: Math.random,
        prober,
        limits,
        metrics: metrics.forRevision(revision.namespace, revision.name),
        onPodGone: () => undefined,
      }),
  });
  const routes = new RouteTable(Math.random);
  const aggregators = { putMember: () => undefined, deleteMember: () => undefined };
  return { objects, routes, revisions, view: new FeedView({ name: "a", routes, revisions, aggregators }) };
}

type Tables = ReturnType<typeof build>;

function fill(count: number): Tables {
  const tables = build();
  for (let index = 0; index < count; index++) {
    for (const object of toFleetObjects(index)) tables.objects.set(toFeedKey(object), object);
  }
  tables.view.onSnapshot(tables.objects, new Map());
  return tables;
}

/** Nanoseconds from a host to the revision's throttler, over `receiving` hosts in no order. */
function measureRouting({ routes, revisions }: Tables, receiving: number): number {
  const hosts = Array.from({ length: 65_536 }, (_, index) => toFleetHost((index * 7919) % receiving));
  let found = 0;
  const pass = (): number => {
    const startMs = performance.now();
    for (let lookup = 0; lookup < lookups; lookup++) {
      const match = routes.find(hosts[lookup & 65_535], false);
      if (match !== undefined && revisions.find(match) !== undefined) found++;
    }
    return ((performance.now() - startMs) * 1e6) / lookups;
  };
  pass();
  const nanoseconds = median([pass(), pass(), pass()]);
  if (found !== lookups * 4) throw new Error("a host led nowhere");
  return nanoseconds;
}

/** Milliseconds that each of many pod changes takes to apply. */
function measureChanges(tables: Tables): number[] {
  const durations: number[] = [];
  for (let turn = 0; turn < changes; turn++) {
    const pod = toFleetPod((turn * 7919) % revisionCount, "127.0.0.1", 20_000 + turn);
    const startMs = performance.now();
    tables.view.onPut(toFeedKey(pod), pod, undefined);
    durations.push(performance.now() - startMs);
  }
  return durations.toSorted((one, other) => one - other);
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  gc();
  gc();
}

function usedBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

export const bench: Bench = {
  question: "What do 10,000 revisions cost the activator, of which 1,000 get requests?",
  run() {
    // Code and shapes that the first objects bring are not theirs.
    fill(100);
    const before = usedBytes();
    const many = fill(revisionCount);
    const bytesPerRevision = (usedBytes() - before) / revisionCount;
    const one = fill(1);
    one.view.onPut("pod", toFleetPod(0, "127.0.0.1", 20_000), undefined);
    for (let index = 0; index < receivingCount; index++)
      many.view.onPut("pod", toFleetPod(index, "127.0.0.1", 20_000), undefined);
    const alone = measureRouting(one, 1);
    const amongMany = measureRouting(many, receivingCount);
    const durations = measureChanges(many);
    const table: Table = {
      title: `${revisionCount} revisions with a service each, ${receivingCount} of them receiving`,
      columns: ["figure", "value", "unit"],
      rows: [
        ["memory of an idle revision with its service", bytesPerRevision, "bytes"],
        ["host to throttler, one revision", alone, "ns"],
        ["host to throttler, many", amongMany, "ns"],
        ["a pod's change applied, median", (durations[durations.length >> 1] ?? 0) * 1000, "µs"],
        ["a pod's change applied, longest", (durations.at(-1) ?? 0) * 1000, "µs"],
      ],
      notes: [
        "memory: feed objects, route table and revision book after a garbage collection",
        "a change is the pod of one revision appearing at another address, its probe answered at once",
      ],
    };
    return Promise.resolve([table]);
  },
};
