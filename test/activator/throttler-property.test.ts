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
  | { kind: "refuse"; pick: number }
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
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("refuse" as const), pick: fc.nat(100) }) },
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

interface Running {
  readonly waiter: FakeWaiter;
  readonly throttler: RevisionThrottler;
  readonly pod: PodTracker;
  readonly cancelTimer: () => void;
}

/** Activators that share pods, each request taking its service time; everything in one manual clock. */
class World {
  readonly limit: number;
  readonly clock = new ManualClock();
  readonly activators: RevisionThrottler[];
  readonly waiters: { waiter: FakeWaiter; activator: number }[] = [];
  readonly running = new Set<Running>();
  readonly inPod = new Map<PodTracker["pod"], number>();
  finished = 0;
  left = 0;
  refused = 0;
  /** A pod went, so slots may have changed hands while the request of the former owner is still in one. */
  hasLostPods = false;
  /** There were fewer slots than activators, so that several had the same one. */
  hasShared = false;

  constructor(count: number, limit: number, random: () => number) {
    this.limit = limit;
    const wide = { maxRequests: 1e6, maxBytes: 1e9 };
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
    else if (action.kind === "refuse") this.#refuse(action.pick);
    else this.#changePod(`pod-${action.name}`, action.change);
    this.check();
  }

  check(): void {
    for (const throttler of this.activators) {
      const pods = [...throttler.pods];
      if (throttler.held > 0 && pods.some(hasFreeSlot)) throw new Error("a request waits beside a free slot");
    }
    const most = this.#findMost();
    for (const [pod, count] of this.inPod) {
      if (count > most) throw new Error(`${pod.name} has ${count} requests, of at most ${most}`);
    }
  }

  /**
   * The pod's limit, exactly, for one activator and for several that divide it evenly, whatever comes and goes. Else for as long as
   * no slot has changed hands; after that an activator may still have a request in a slot that has become another's.
   */
  #findMost(): number {
    const { length: count } = this.activators;
    if (this.limit === 0) return Number.POSITIVE_INFINITY;
    const isExact = this.limit % count === 0 || !(this.hasLostPods || this.hasShared);
    return isExact ? this.limit : count * Math.ceil(this.limit / count);
  }

  #arrive(activator: number, serviceMs: number): void {
    const throttler = this.activators[activator];
    if (throttler === undefined) throw new Error("no such activator");
    const waiter = new FakeWaiter(this.waiters.length);
    this.waiters.push({ waiter, activator });
    waiter.onGrant = (pod) => {
      if (pod.inFlight > pod.slots) throw new Error("granted beyond the slots that are its own");
      for (const { waiter: other, activator: its } of this.waiters)
        if (its === activator && other.isHeld && other.id < waiter.id)
          throw new Error("granted before one that came earlier");
      this.#addToPod(pod, 1);
      const running: Running = {
        waiter,
        throttler,
        pod,
        cancelTimer: this.clock.setTimer(() => this.#finish(running), serviceMs),
      };
      this.running.add(running);
    };
    throttler.submit(waiter);
  }

  #addToPod({ pod }: PodTracker, change: 1 | -1): void {
    this.inPod.set(pod, (this.inPod.get(pod) ?? 0) + change);
  }

  #finish(running: Running): void {
    this.finished++;
    this.running.delete(running);
    this.#addToPod(running.pod, -1);
    running.throttler.release(running.pod);
    this.check();
  }

  /** The pod's sidecar has no room for it after all. */
  #refuse(pick: number): void {
    const running = [...this.running][pick];
    if (running === undefined) return;
    const { waiter, throttler, pod } = running;
    this.refused++;
    running.cancelTimer();
    this.running.delete(running);
    this.#addToPod(pod, -1);
    throttler.noteFull(pod);
    throttler.release(pod);
    throttler.resubmit(waiter);
  }

  #leave(pick: number): void {
    const chosen = this.waiters[pick];
    if (chosen !== undefined && this.activators[chosen.activator]?.cancel(chosen.waiter) === true)
      this.left++;
  }

  #changePod(name: string, change: "come" | "go" | "fail" | "terminate"): void {
    const present = [...(this.activators[0]?.pods ?? [])].find((tracker) => tracker.name === name);
    this.hasLostPods ||= change !== "come" || (present !== undefined && !present.isHealthy);
    // The feed has one object for all; a pod that comes again is another one, and younger than the rest.
    const pod = present?.isHealthy === true ? present.pod : makePod({ name, startedAt: this.#stamp() });
    for (const throttler of this.activators) {
      const tracker = throttler.findPod(name);
      if (change === "come") throttler.markHealthy(throttler.putPod(pod));
      else if (change === "go") throttler.deletePod(name);
      else if (tracker !== undefined && change === "fail") throttler.markFailed(tracker);
      else if (tracker !== undefined) throttler.putPod({ ...tracker.pod, terminating: true });
    }
    const slots = this.limit * (this.activators[0]?.healthyPods ?? 0);
    this.hasShared ||= slots > 0 && slots < this.activators.length;
  }

  #stamps = 0;

  #stamp(): string {
    return new Date(this.#stamps++ * 1000).toISOString();
  }
}

const worlds = {
  count: fc.integer({ min: 1, max: 5 }),
  limit: fc.integer({ min: 0, max: 10 }),
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

test("whatever comes and goes: no pod beyond its limit, no slot idle beside a waiting request, first in first out, every request answered", () => {
  fc.assert(
    fc.property(
      worlds.count,
      worlds.limit,
      worlds.seed,
      fc.array(step, { maxLength: 120 }),
      (count, limit, seed, steps) => {
        const world = runWorld(count, limit, seed, steps);
        settle(world);
        expect(world.finished + world.left).toBe(world.waiters.length);
        for (const throttler of world.activators)
          expect([throttler.held, throttler.inFlight]).toEqual([0, 0]);
        const answers = world.waiters.reduce((sum, { waiter }) => sum + waiter.answers, 0);
        expect(answers - world.refused).toBeLessThanOrEqual(world.waiters.length);
      },
    ),
    { numRuns: 400 },
  );
});

test("with the pods at rest or coming, all activators together never have more in a pod than it runs", () => {
  const calm = step.filter((action) => action.kind !== "pod" || action.change === "come");
  fc.assert(
    fc.property(
      worlds.count,
      fc.integer({ min: 1, max: 10 }),
      worlds.seed,
      fc.array(calm, { maxLength: 150 }),
      (count, limit, seed, steps) => {
        // With these there are never fewer slots than activators.
        const first: Step[] = Array.from({ length: 5 }, (_, name) => ({ kind: "pod", name, change: "come" }));
        const world = runWorld(count, limit, seed, [...first, ...steps]);
        expect(world.hasLostPods).toBe(false);
        for (const running of world.inPod.values()) expect(running).toBeLessThanOrEqual(limit);
      },
    ),
    { numRuns: 200 },
  );
});
