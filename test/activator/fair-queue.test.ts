import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FairQueue, toFairKey } from "../../packages/activator/src/fair-queue.ts";
import { Harness } from "./support/activator-harness.ts";
import { FakeWaiter } from "./support/fake-waiter.ts";
import { makeRevision, makeService } from "./support/feed-objects.ts";

function takeAll(queue: FairQueue): FakeWaiter[] {
  const taken: FakeWaiter[] = [];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) taken.push(next as FakeWaiter);
  return taken;
}

interface Step {
  readonly what: "push" | "shift" | "remove" | "return";
  readonly key: string;
  readonly pick: number;
}

/** The queue beside what it should hold; throws where the two differ. */
class Model {
  readonly queue = new FairQueue();
  readonly held = new Set<FakeWaiter>();
  readonly #out: FakeWaiter[] = [];
  #turn = 0;

  run({ what, key, pick }: Step): void {
    if (what === "push") this.#push(key);
    else if (what === "shift") this.#shift();
    else if (what === "remove") this.#remove([...this.held][pick % Math.max(1, this.held.size)]);
    else this.#putBack(this.#out.pop());
    const { length, bytes } = this.queue;
    if (length !== this.held.size || bytes !== 3 * length) throw new Error(`${length} of ${bytes} bytes`);
  }

  #push(key: string): void {
    const waiter = new FakeWaiter(0, 3, key);
    waiter.turn = this.#turn++;
    waiter.heldBytes = 3;
    this.queue.push(waiter);
    this.held.add(waiter);
  }

  #shift(): void {
    const waiter = this.queue.shift() as FakeWaiter | undefined;
    if (waiter === undefined) return;
    const isOldest = [...this.held].every(
      ({ fairKey, turn }) => fairKey !== waiter.fairKey || turn >= waiter.turn,
    );
    if (!isOldest || !this.held.delete(waiter)) throw new Error("not the oldest of its key");
    this.#out.push(waiter);
  }

  #remove(waiter: FakeWaiter | undefined): void {
    if (waiter === undefined) return;
    if (!this.queue.remove(waiter) || this.queue.remove(waiter)) throw new Error("not removed once");
    this.held.delete(waiter);
  }

  #putBack(waiter: FakeWaiter | undefined): void {
    if (waiter === undefined) return;
    this.queue.putBack(waiter);
    this.held.add(waiter);
  }
}

describe("keys take turns", () => {
  test("one that has few waiting does not stand behind all of another's", () => {
    const queue = new FairQueue();
    for (let id = 0; id < 1000; id++) queue.push(new FakeWaiter(id, 1, "many"));
    for (let id = 1000; id < 1010; id++) queue.push(new FakeWaiter(id, 1, "few"));
    const keys = takeAll(queue).map(({ fairKey }) => fairKey);
    expect(keys.slice(0, 20)).toEqual(Array.from({ length: 10 }, () => ["many", "few"]).flat());
    expect([keys.length, queue.length, queue.bytes]).toEqual([1010, 0, 0]);
  });

  test("whatever comes, leaves and comes back: within a key in order, no key twice while another waits", () => {
    const step = fc.record({
      what: fc.constantFrom<Step["what"]>("push", "push", "push", "shift", "remove", "return"),
      key: fc.constantFrom("", "a", "b", "c"),
      pick: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const model = new Model();
        for (const each of steps) model.run(each);
        const rest = takeAll(model.queue);
        expect(new Set(rest)).toEqual(model.held);
        // A key has its next turn only after every other one that still waits has had its own.
        const firstRound = rest.slice(0, new Set(rest.map(({ fairKey }) => fairKey)).size);
        expect(new Set(firstRound.map(({ fairKey }) => fairKey)).size).toBe(firstRound.length);
      }),
    );
  });
});

test.each([
  { annotations: {}, key: "" },
  { annotations: { "sluice.dev/fair-queue-header": "x-tenant" }, key: "blue" },
  { annotations: { "sluice.dev/fair-queue-header": " X-Tenant " }, key: "blue" },
  { annotations: { "sluice.dev/fair-queue-header": "X-Other" }, key: "" },
])("the key is what the service's header says: %o", ({ annotations, key }) => {
  expect(toFairKey(["Accept", "*/*", "X-Tenant", "blue"], makeService({ annotations }))).toBe(key);
});

test("held requests of a service that names a header reach the pod in turn by its values", async () => {
  await using harness = await Harness.start({
    objects: [
      makeRevision({ containerConcurrency: 1 }),
      makeService({ annotations: { "sluice.dev/fair-queue-header": "X-Tenant" } }),
    ],
  });
  const replies: Promise<{ status: number }>[] = [];
  for (const tenant of ["a", "a", "a", "a", "a", "b"]) {
    replies.push(harness.call({ headers: { "X-Tenant": tenant } }));
    await harness.untilHeld(replies.length);
  }
  const pod = await harness.addPod();
  expect((await Promise.all(replies)).map(({ status }) => status)).toEqual(Array(6).fill(200));
  expect(pod.requests.map(({ headers }) => headers["x-tenant"]).join("")).toBe("abaaaa");
});
