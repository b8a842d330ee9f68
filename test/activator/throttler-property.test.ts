import * as fc from "fast-check";
import { expect, test } from "vitest";
import { HoldBudget } from "../../packages/activator/src/hold-budget.ts";
import { hasFreeSlot, type PodTracker } from "../../packages/activator/src/pod-tracker.ts";
import { RevisionThrottler } from "../../packages/activator/src/revision-throttler.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { FakeWaiter } from "./support/fake-waiter.ts";
import { makePod } from "./support/feed-objects.ts";

type Step =
  | { kind: "arrive"; activator: number; serviceMs: number }
  | { kind: "pass"; ms: number }
  | { kind: "leave"; pick: number }
  | { kind: "pod"; name: number; change: "come" | "go" | "fail" | "terminate" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("arrive" as const),
      activator: fc.nat(4),
      serviceMs: fc.integer({ min: 1, max: 50 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 40 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), pick: fc.nat(100) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("pod" as const),
      name: fc.nat(5),
      change: fc.constantFrom(
        "come" as const,
        "come" as const,
        "go" as const,
        "fail" as const,
        "terminate" as const,
      ),
    }),
  },
);

/** Activators that share pods, each request taking its service time; everything in one manual clock. */
class World {
  readonly limit: number;
  readonly clock = new ManualClock();
  readonly activators: RevisionThrottler[];
  readonly waiters: { waiter: FakeWaiter; activator: number }[] = [];
  readonly granted: number[][];
  readonly inPod = new Map<string, number>();
  finished = 0;
  left = 0;
  /** A pod came or went, so requests from before the change may still sit in slots that are another's now. */
  hasMoved = false;

  constructor(count: number, limit: number, random: () => number) {
    this.limit = limit;
    const wide = { maxRequests: 1e6, maxBytes: 1e9 };
    this.granted = Array.from({ length: count }, () => []);
    this.activators = Array.from({ length: count }, (_, index) => {
      const budget = new HoldBudget({ process: wide, revision: wide });
      const throttler = new RevisionThrottler(limit, { budget, clock: this.clock, random });
      throttler.setMembership({ index, count });
      return throttler;
    });
  }

  run(action: Step): void {
    if (action.kind === "pass") this.clock.advance(action.ms);
    else if (action.kind === "arrive")
      this.#arrive(action.activator % this.activators.length, action.serviceMs);
    else if (action.kind === "leave") this.#leave(action.pick);
    else this.#changePod(`pod-${action.name}`, action.change);
    this.check();
  }

  check(): void {
    for (const throttler of this.activators) {
      const pods = [...throttler.pods];
      if (throttler.held > 0 && pods.some(hasFreeSlot)) throw new Error("a request waits beside a free slot");
    }
    const slots = this.limit * (this.activators[0]?.healthyPods ?? 0);
    // Fewer slots than activators are shared, and then it is the sidecar that makes the second request wait.
    if (this.hasMoved || slots < this.activators.length) return;
    for (const [pod, count] of this.inPod) {
      if (count > this.limit) throw new Error(`${pod} has ${count} requests, its limit is ${this.limit}`);
    }
  }

  #arrive(activator: number, serviceMs: number): void {
    const throttler = this.activators[activator];
    if (throttler === undefined) throw new Error("no such activator");
    const waiter = new FakeWaiter(this.waiters.length);
    this.waiters.push({ waiter, activator });
    waiter.onGrant = (pod) => {
      if (pod.inFlight > pod.slots) throw new Error("granted beyond the slots that are its own");
      this.granted[activator]?.push(waiter.id);
      this.inPod.set(pod.name, (this.inPod.get(pod.name) ?? 0) + 1);
      this.clock.setTimer(() => this.#finish(throttler, pod), serviceMs);
    };
    throttler.submit(waiter);
  }

  #finish(throttler: RevisionThrottler, pod: PodTracker): void {
    this.finished++;
    this.inPod.set(pod.name, (this.inPod.get(pod.name) ?? 0) - 1);
    throttler.release(pod);
    this.check();
  }

  #leave(pick: number): void {
    const chosen = this.waiters[pick];
    if (chosen !== undefined && this.activators[chosen.activator]?.cancel(chosen.waiter) === true)
      this.left++;
  }

  #changePod(name: string, change: "come" | "go" | "fail" | "terminate"): void {
    this.hasMoved ||= this.waiters.length > 0;
    for (const throttler of this.activators) {
      const pod = [...throttler.pods].find((tracker) => tracker.name === name);
      if (change === "come") throttler.markHealthy(throttler.putPod(makePod({ name })));
      else if (change === "go") throttler.deletePod(name);
      else if (pod !== undefined && change === "fail") throttler.markFailed(pod);
      else if (pod !== undefined) throttler.putPod(makePod({ name, terminating: true }));
    }
  }
}

const worlds = {
  count: fc.integer({ min: 1, max: 5 }),
  limit: fc.integer({ min: 0, max: 4 }),
  seed: fc.integer(),
};

function runWorld(count: number, limit: number, seed: number, steps: Step[]): World {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const world = new World(count, limit, random);
  for (const action of steps) world.run(action);
  return world;
}

/** Once pods are there for good, everything that waits gets its turn. */
function settle(world: World): void {
  for (let name = 0; name < 6; name++) {
    world.run({ kind: "pod", name, change: "go" });
    world.run({ kind: "pod", name, change: "come" });
  }
  for (let turn = 0; turn < 200; turn++) world.run({ kind: "pass", ms: 50 });
}

test("whatever comes and goes: no slot idle beside a waiting request, first in first out, every request answered once", () => {
  fc.assert(
    fc.property(
      worlds.count,
      worlds.limit,
      worlds.seed,
      fc.array(step, { maxLength: 120 }),
      (count, limit, seed, steps) => {
        const world = runWorld(count, limit, seed, steps);
        settle(world);
        for (const order of world.granted) expect(order).toEqual(order.toSorted((one, other) => one - other));
        expect(world.finished + world.left).toBe(world.waiters.length);
        for (const throttler of world.activators)
          expect([throttler.held, throttler.inFlight]).toEqual([0, 0]);
        for (const { waiter } of world.waiters) expect(waiter.answers).toBeLessThanOrEqual(1);
      },
    ),
    { numRuns: 300 },
  );
});

test("with the pods at rest, all activators together never have more in a pod than it runs", () => {
  const traffic = step.filter((action) => action.kind !== "pod");
  fc.assert(
    fc.property(
      worlds.count,
      worlds.limit,
      worlds.seed,
      fc.array(traffic, { maxLength: 150 }),
      (count, limit, seed, steps) => {
        const pods: Step[] = Array.from({ length: 6 }, (_, name) => ({ kind: "pod", name, change: "come" }));
        const world = runWorld(count, limit, seed, [...pods, ...steps]);
        expect(world.hasMoved).toBe(false);
      },
    ),
    { numRuns: 200 },
  );
});
