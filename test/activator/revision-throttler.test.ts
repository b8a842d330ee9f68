import { describe, expect, test } from "vitest";
import { HoldBudget } from "../../packages/activator/src/hold-budget.ts";
import { RevisionThrottler, type ThrottlerOptions } from "../../packages/activator/src/revision-throttler.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { FakeWaiter } from "./support/fake-waiter.ts";
import { makePod } from "./support/feed-objects.ts";

const wide = { maxRequests: 1000, maxBytes: 1_000_000 };

function build(limit: number, part: Partial<ThrottlerOptions> = {}) {
  const clock = new ManualClock();
  const budget = new HoldBudget({ process: wide, revision: wide });
  const throttler = new RevisionThrottler(limit, { budget, clock, random: Math.random, ...part });
  return { throttler, clock, budget: part.budget ?? budget };
}

function addPod(throttler: RevisionThrottler, name: string) {
  const pod = throttler.putPod(makePod({ name }));
  throttler.markHealthy(pod);
  return pod;
}

function submitMany(throttler: RevisionThrottler, count: number): FakeWaiter[] {
  return Array.from({ length: count }, (_, id) => {
    const waiter = new FakeWaiter(id);
    throttler.submit(waiter);
    return waiter;
  });
}

describe("holding", () => {
  test("requests wait while there is no pod and go in the order they came", () => {
    const { throttler } = build(1);
    const order: number[] = [];
    const waiters = submitMany(throttler, 5);
    for (const waiter of waiters) waiter.onGrant = () => order.push(waiter.id);
    expect(throttler.held).toBe(5);
    const pod = addPod(throttler, "a");
    for (let done = 0; done < 5; done++) throttler.release(pod);
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(throttler.held).toBe(0);
  });

  test("a request that comes back from a pod goes before those that came later", () => {
    const { throttler } = build(1);
    const pod = addPod(throttler, "a");
    const [first, second] = submitMany(throttler, 2);
    throttler.markFailed(pod);
    throttler.release(pod);
    if (first === undefined) throw new Error("no first");
    throttler.resubmit(first);
    addPod(throttler, "b");
    expect(first.pod?.name).toBe("b");
    expect(second?.pod).toBeUndefined();
  });

  test("requests that come back do so in the order in which they first came", () => {
    const { throttler } = build(3);
    const pod = addPod(throttler, "a");
    const waiters = submitMany(throttler, 5);
    throttler.markFailed(pod);
    for (const id of [1, 2, 0]) {
      const waiter = waiters[id];
      if (waiter === undefined) throw new Error("no such waiter");
      throttler.release(pod);
      throttler.resubmit(waiter);
    }
    const order: number[] = [];
    for (const waiter of waiters) waiter.onGrant = () => order.push(waiter.id);
    const other = addPod(throttler, "b");
    for (let done = 0; done < 2; done++) throttler.release(other);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  test("a client that goes away leaves the queue and gives back what it held", () => {
    const { throttler, budget } = build(1);
    const [first, second, third] = submitMany(throttler, 3);
    expect(second !== undefined && throttler.cancel(second)).toBe(true);
    expect(second !== undefined && throttler.cancel(second)).toBe(false);
    expect([budget.requests, budget.bytes]).toEqual([2, 200]);
    const pod = addPod(throttler, "a");
    throttler.release(pod);
    expect([first?.pod?.name, second?.pod, third?.pod?.name]).toEqual(["a", undefined, "a"]);
  });

  test("says once that somebody waits, and again after the queue was empty", () => {
    let waits = 0;
    const { throttler } = build(1, { onWaiting: () => waits++ });
    submitMany(throttler, 3);
    expect(waits).toBe(1);
    const pod = addPod(throttler, "a");
    throttler.release(pod);
    throttler.release(pod);
    throttler.markFailed(pod);
    throttler.release(pod);
    submitMany(throttler, 1);
    expect(waits).toBe(2);
  });
});

describe("bounds", () => {
  test.each([
    { bound: "revision-requests", process: wide, revision: { maxRequests: 2, maxBytes: 1000 } },
    { bound: "revision-bytes", process: wide, revision: { maxRequests: 10, maxBytes: 250 } },
    { bound: "process-requests", process: { maxRequests: 2, maxBytes: 1000 }, revision: wide },
    { bound: "process-bytes", process: { maxRequests: 10, maxBytes: 250 }, revision: wide },
  ])("$bound: the third request is refused and says why", ({ bound, process, revision }) => {
    const bounds: string[] = [];
    const budget = new HoldBudget({ process, revision });
    const { throttler } = build(1, { budget, onOverflow: (name) => bounds.push(name) });
    const waiters = submitMany(throttler, 3);
    expect(waiters.map((waiter) => waiter.error?.code)).toEqual([undefined, undefined, "hold-limit"]);
    expect(waiters[2]?.error?.body).toMatch(bound.startsWith("revision") ? /revision/ : /activator/);
    expect(bounds).toEqual([bound]);
  });

  test("requests that a pod takes at once are bounded by nothing", () => {
    const budget = new HoldBudget({ process: { maxRequests: 0, maxBytes: 0 }, revision: wide });
    const { throttler } = build(0, { budget });
    addPod(throttler, "a");
    expect(submitMany(throttler, 50).every((waiter) => waiter.pod !== undefined)).toBe(true);
  });
});

describe("failure of the revision", () => {
  const failure = { reason: "CrashLoopBackOff", message: "exited with code 1" };

  test("whoever waits is told at once, and whoever comes", () => {
    const { throttler, budget } = build(1);
    const held = submitMany(throttler, 2);
    throttler.setFailure(failure);
    const late = submitMany(throttler, 1);
    for (const waiter of [...held, ...late]) {
      expect(waiter.error?.status).toBe(503);
      expect(waiter.error?.body).toMatch(/CrashLoopBackOff: exited with code 1/);
    }
    expect(budget.requests).toBe(0);
  });

  test("a pod that works all the same is used", () => {
    const { throttler } = build(1);
    const pod = addPod(throttler, "a");
    throttler.setFailure(failure);
    const [first, second] = submitMany(throttler, 2);
    expect(first?.pod).toBe(pod);
    expect(second?.error).toBeUndefined();
  });

  test("when it is over requests are held again", () => {
    const { throttler } = build(1);
    throttler.setFailure(failure);
    throttler.setFailure(undefined);
    expect(submitMany(throttler, 1)[0]?.error).toBeUndefined();
    expect(throttler.held).toBe(1);
  });
});

describe("pods", () => {
  test("never more in a pod than its limit, and a freed slot goes to who waits", () => {
    const { throttler } = build(3);
    const pods = [addPod(throttler, "a"), addPod(throttler, "b")];
    submitMany(throttler, 10);
    expect(pods.map((pod) => pod.inFlight)).toEqual([3, 3]);
    expect(throttler.held).toBe(4);
    const [first] = pods;
    if (first !== undefined) throttler.release(first);
    expect([first?.inFlight, throttler.held]).toEqual([3, 3]);
  });

  test.each([
    ["terminating", { terminating: true }],
    ["failed", { failure: { reason: "Crash", message: "gone" } }],
  ])("a %s pod gets no new request and keeps what it has", (_, change) => {
    const { throttler } = build(5);
    const pod = addPod(throttler, "a");
    submitMany(throttler, 2);
    throttler.putPod(makePod({ name: "a", ...change }));
    submitMany(throttler, 1);
    expect([pod.inFlight, throttler.held, throttler.inFlight]).toEqual([2, 1, 2]);
    throttler.release(pod);
    expect([pod.inFlight, throttler.held]).toEqual([1, 1]);
  });

  test("a pod that left the feed is not used, not even when its requests end", () => {
    const { throttler } = build(1);
    const pod = addPod(throttler, "a");
    submitMany(throttler, 2);
    throttler.deletePod("a");
    throttler.release(pod);
    expect([throttler.held, throttler.inFlight, throttler.isIdle]).toEqual([1, 0, false]);
  });

  test("a pod of the same name at another address is another pod and must prove itself", () => {
    const { throttler } = build(1);
    addPod(throttler, "a");
    throttler.putPod(makePod({ name: "a", address: "127.0.0.2" }));
    submitMany(throttler, 1);
    expect([throttler.held, throttler.healthyPods]).toEqual([1, 0]);
  });

  test("a pod that is full of others' requests is asked again after 20 ms, then ever later, until it answers", () => {
    const { throttler, clock } = build(2);
    const pod = addPod(throttler, "a");
    const [waiter] = submitMany(throttler, 1);
    if (waiter === undefined) throw new Error("no waiter");
    const pauses = Array.from({ length: 6 }, () => {
      throttler.noteFull(pod);
      throttler.noteFull(pod);
      throttler.release(pod);
      throttler.resubmit(waiter);
      const grants = waiter.answers;
      let pausedMs = 0;
      for (; waiter.answers === grants; pausedMs++) clock.advance(1);
      return pausedMs;
    });
    expect(pauses).toEqual([20, 40, 80, 160, 320, 320]);
    throttler.noteAnswer(pod);
    throttler.noteFull(pod);
    clock.advance(20);
    expect(submitMany(throttler, 1)[0]?.pod).toBe(pod);
  });

  test("a raised limit lets those in who wait; a lowered one lets those finish who are in", () => {
    const { throttler } = build(1);
    const pod = addPod(throttler, "a");
    submitMany(throttler, 4);
    throttler.setContainerConcurrency(3);
    expect([pod.inFlight, throttler.held]).toEqual([3, 1]);
    throttler.setContainerConcurrency(1);
    throttler.release(pod);
    throttler.release(pod);
    expect([pod.inFlight, throttler.held]).toEqual([1, 1]);
    throttler.release(pod);
    expect([pod.inFlight, throttler.held]).toEqual([1, 0]);
  });

  test("with other activators it uses its own part of the slots", () => {
    const { throttler } = build(1);
    for (const name of ["a", "b", "c", "d", "e"]) addPod(throttler, name);
    throttler.setMembership({ index: 1, count: 2 });
    submitMany(throttler, 10);
    expect([throttler.inFlight, throttler.held]).toEqual([2, 8]);
  });

  describe("what was held goes to a pod without a limit in bursts", () => {
    const countGranted = (waiters: readonly FakeWaiter[]): number =>
      waiters.filter((waiter) => waiter.pod !== undefined).length;

    test("that follow one another as requests are answered, in order, until nothing waits", () => {
      const { throttler } = build(0);
      const waiters = submitMany(throttler, 249);
      const order: number[] = [];
      for (const waiter of waiters) waiter.onGrant = () => order.push(waiter.id);
      const pod = addPod(throttler, "a");
      expect(order.length).toBe(100);
      for (let answered = 0; answered < 50; answered++) throttler.release(pod);
      expect(order.length).toBe(100);
      throttler.release(pod);
      expect([order.length, pod.inFlight]).toEqual([151, 100]);
      expect(submitMany(throttler, 1)[0]?.pod).toBeUndefined();
      for (let answered = 0; answered < 102; answered++) throttler.release(pod);
      expect([order.length, throttler.held]).toEqual([249, 0]);
      expect(order.slice(0, 249)).toEqual(waiters.map((waiter) => waiter.id));
      expect(countGranted(submitMany(throttler, 1000))).toBe(1000);
    });

    test("or twice as many each time that 100 ms brought no answer", () => {
      const { throttler, clock } = build(0);
      const waiters = submitMany(throttler, 750);
      const pod = addPod(throttler, "a");
      clock.advance(99);
      throttler.release(pod);
      expect(countGranted(waiters)).toBe(100);
      clock.advance(100);
      expect(countGranted(waiters)).toBe(100);
      clock.advance(1);
      expect([countGranted(waiters), pod.inFlight]).toEqual([201, 200]);
      clock.advance(100);
      expect(pod.inFlight).toBe(400);
      clock.advance(100);
      expect([countGranted(waiters), throttler.held]).toEqual([750, 0]);
    });

    test("and a pod that goes in the middle of one leaves the rest to the others", () => {
      const { throttler, clock } = build(0);
      const waiters = submitMany(throttler, 250);
      addPod(throttler, "a");
      throttler.deletePod("a");
      addPod(throttler, "b");
      expect(countGranted(waiters)).toBe(200);
      clock.advance(100);
      expect([countGranted(waiters), throttler.held]).toEqual([250, 0]);
    });
  });

  test("a grant that ends at once makes room for the next without deepening the stack", () => {
    const { throttler } = build(1);
    const waiters = submitMany(throttler, 900);
    for (const waiter of waiters) waiter.onGrant = (pod) => throttler.release(pod);
    addPod(throttler, "a");
    expect(waiters.every((waiter) => waiter.answers === 1 && waiter.pod !== undefined)).toBe(true);
    expect([throttler.held, throttler.inFlight]).toEqual([0, 0]);
  });
});
