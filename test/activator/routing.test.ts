import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Harness } from "./support/activator-harness.ts";
import type { FakePod } from "./support/fake-pod.ts";
import { makeRevision, makeService } from "./support/feed-objects.ts";

async function addPodOf(harness: Harness, revision: string): Promise<FakePod> {
  const pod = await harness.addPod(revision, (_request, response) => void response.end(revision));
  harness.feed.put(pod.toFeed({ revision }));
  return pod;
}

/** Keeps `clients` requests under way until told to stop; what they were answered, counted. */
class Load {
  readonly answers = new Map<string, number>();
  calls = 0;
  readonly #clients: Promise<void>[];
  #isOver = false;

  constructor(clients: number, call: () => Promise<{ status: number; body: string }>) {
    this.#clients = Array.from({ length: clients }, async () => {
      while (!this.#isOver) {
        const { status, body } = await call();
        const answer = status === 200 ? body : `${status} ${body}`;
        this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1);
        this.calls++;
      }
    });
  }

  async untilMore(calls: number): Promise<void> {
    const target = this.calls + calls;
    while (this.calls < target) await new Promise((resolve) => setImmediate(resolve));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }
}

describe("a split by percent, through sockets", () => {
  let harness: Harness;

  beforeAll(async () => {
    const names = ["a-1", "a-2", "a-3", "b-1", "b-2"];
    harness = await Harness.start({
      objects: [
        ...names.map((name) => makeRevision({ name, service: name.slice(0, 1) })),
        makeService({
          name: "a",
          hosts: [
            { host: "a.example.com", visibility: "public" },
            { host: "old-a.example.com", tag: "old", visibility: "public" },
          ],
          traffic: [
            { revision: "a-1", percent: 80 },
            { revision: "a-2", percent: 19 },
            { revision: "a-3", percent: 1 },
            { revision: "a-3", percent: 0, tag: "old" },
          ],
        }),
        makeService({
          name: "b",
          hosts: [{ host: "b.example.com", visibility: "public" }],
          traffic: [
            { revision: "b-1", percent: 50 },
            { revision: "b-2", percent: 50 },
          ],
        }),
      ],
    });
    for (const name of names) await addPodOf(harness, name);
    await harness.untilMetric("sluice_activator_pods_healthy", (healthy) => healthy === names.length);
  });

  afterAll(async () => {
    await harness[Symbol.asyncDispose]();
  });

  test("10,000 requests of one service, among others of another, are right within 1 %", async () => {
    const bodies = new Map<string, number>();
    const count = async (host: string): Promise<void> => {
      const { body } = await harness.call({ host });
      bodies.set(body, (bodies.get(body) ?? 0) + 1);
    };
    for (let batch = 0; batch < 200; batch++) {
      // The other service's requests come in a pattern, which must not show in this one's split.
      const others = Array.from({ length: 1 + (batch % 13) }, () => count("b.example.com"));
      await Promise.all([...Array.from({ length: 50 }, () => count("a.example.com")), ...others]);
    }
    for (const [revision, percent] of [
      ["a-1", 80],
      ["a-2", 19],
      ["a-3", 1],
    ] as const)
      expect(Math.abs((bodies.get(revision) ?? 0) - percent * 100)).toBeLessThanOrEqual(100);
    const [one = 0, two = 0] = [bodies.get("b-1"), bodies.get("b-2")];
    expect(Math.abs(one - two) / (one + two)).toBeLessThanOrEqual(0.01);
  }, 60_000);

  test("a tag's host leads to the tag's revision alone", async () => {
    const bodies = await Promise.all(
      Array.from({ length: 20 }, async () => (await harness.call({ host: "old-a.example.com" })).body),
    );
    expect(new Set(bodies)).toEqual(new Set(["a-3"]));
  });
});

test("routes that change under load drop no request, and apply to the next", async () => {
  await using harness = await Harness.start({
    objects: [makeRevision({ name: "blue" }), makeRevision({ name: "green" }), makeService()],
  });
  for (const name of ["blue", "green"]) await addPodOf(harness, name);
  await harness.untilMetric("sluice_activator_pods_healthy", (healthy) => healthy === 2);
  const put = (revision: string): void =>
    harness.feed.put(makeService({ traffic: [{ revision, percent: 100 }] }));
  put("blue");
  while ((await harness.call()).body !== "blue") await new Promise((resolve) => setImmediate(resolve));
  const load = new Load(10, () => harness.call());
  for (let turn = 0; turn < 30; turn++) {
    const revision = turn % 2 === 0 ? "green" : "blue";
    put(revision);
    await load.untilMore(20);
    expect((await harness.call()).body).toBe(revision);
  }
  await load.stop();
  expect([...load.answers.keys()].toSorted()).toEqual(["blue", "green"]);
});

test("a service that names a revision before the feed has it leads nobody to nowhere", async () => {
  await using harness = await Harness.start({
    objects: [makeRevision({ name: "blue" }), makeService({ traffic: [{ revision: "blue", percent: 100 }] })],
  });
  for (const name of ["blue", "green"]) await addPodOf(harness, name);
  harness.feed.put(
    makeService({
      hosts: [{ host: "new.example.com", visibility: "public" }],
      traffic: [{ revision: "green", percent: 100 }],
    }),
  );
  harness.feed.put(makeRevision({ name: "probe", service: "probe" }));
  await harness.untilMetric("sluice_activator_pods_healthy", (healthy) => healthy === 1);
  expect((await harness.call()).body).toBe("blue");
  harness.feed.put(makeRevision({ name: "green" }));
  const call = () => harness.call({ host: "new.example.com" });
  while ((await call()).status === 404) await new Promise((resolve) => setImmediate(resolve));
  expect((await call()).body).toBe("green");
});

test("a rolling update under load loses nothing: the new revision comes up, gets the traffic, and the old one's pods go", async () => {
  await using harness = await Harness.start({
    objects: [makeRevision({ name: "v-1", containerConcurrency: 5 }), makeService({ traffic: [] })],
  });
  let version = 1;
  let pods: FakePod[] = [];
  const slow = (name: string) => (_request: unknown, response: { end: (text: string) => void }) =>
    void setTimeout(() => response.end(name), 3);
  const roll = async (): Promise<void> => {
    const name = `v-${version++}`;
    harness.feed.put(makeRevision({ name, containerConcurrency: 5 }));
    const next: FakePod[] = [];
    for (const letter of ["a", "b"]) {
      const pod = await harness.addPod(`${name}-${letter}`, slow(name));
      harness.feed.put(pod.toFeed({ revision: name }));
      next.push(pod);
    }
    harness.feed.put(makeService({ traffic: [{ revision: name, percent: 100 }] }));
    const old = pods;
    pods = next;
    // As kubelet and sidecar do: the pod is marked first, ends what it has, and then is gone.
    for (const pod of old) harness.feed.put(pod.toFeed({ revision: `v-${version - 2}`, terminating: true }));
    for (const pod of old) {
      while (pod.running > 0) await new Promise((resolve) => setImmediate(resolve));
      await harness.untilMetric("sluice_activator_pods_healthy", (healthy) => healthy >= 2);
      harness.feed.delete(pod.toFeed());
    }
  };
  await roll();
  const load = new Load(10, () => harness.call());
  await load.untilMore(20);
  for (let turn = 0; turn < 5; turn++) {
    await roll();
    await load.untilMore(100);
  }
  await load.stop();
  expect([...load.answers.keys()].toSorted()).toEqual(["v-1", "v-2", "v-3", "v-4", "v-5", "v-6"]);
});
