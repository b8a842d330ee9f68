import { describe, expect, test } from "vitest";
import { decideProbeDelay, PodProber } from "../../packages/activator/src/pod-prober.ts";
import { createPodTracker, type PodTracker } from "../../packages/activator/src/pod-tracker.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { makePod } from "./support/feed-objects.ts";

describe("decideProbeDelay", () => {
  test.each([
    { failures: 1, urgentMs: 0, delayMs: 1 },
    { failures: 2, urgentMs: 5, delayMs: 2 },
    { failures: 3, urgentMs: 10, delayMs: 4 },
    { failures: 50, urgentMs: 9_999, delayMs: 5 },
    { failures: 50, urgentMs: 10_000, delayMs: 200 },
    { failures: 1, urgentMs: undefined, delayMs: 5 },
    { failures: 4, urgentMs: undefined, delayMs: 40 },
    { failures: 1000, urgentMs: undefined, delayMs: 200 },
  ])("%o", ({ failures, urgentMs, delayMs }) => {
    expect(decideProbeDelay(failures, urgentMs, 200)).toBe(delayMs);
  });
});

function build(
  part: { isWaitedFor?: boolean; needsPlatformReady?: boolean; pod?: Partial<PodTracker["pod"]> } = {},
) {
  const clock = new ManualClock();
  const asked: number[] = [];
  const healthy: PodTracker[] = [];
  let answer: boolean | undefined = false;
  const state = { isWaitedFor: part.isWaitedFor ?? false };
  const prober = new PodProber({
    clock,
    timeoutMs: 300,
    intervalMs: 200,
    probe(_tracker, timeoutMs, done) {
      asked.push(clock.monotonic());
      if (answer === undefined) clock.setTimer(() => done(false), timeoutMs);
      else done(answer);
    },
  });
  const tracker = createPodTracker(makePod(part.pod));
  const target = {
    isWaitedFor: () => state.isWaitedFor,
    needsPlatformReady: () => part.needsPlatformReady ?? false,
    markHealthy(pod: PodTracker) {
      pod.isHealthy = true;
      healthy.push(pod);
    },
  };
  const setAnswer = (value: boolean | undefined) => (answer = value);
  return { clock, prober, tracker, target, asked, healthy, state, setAnswer };
}

describe("PodProber", () => {
  test("asks at once when the address is known and never slower than every 10 ms while somebody waits", () => {
    const { clock, prober, tracker, target, asked } = build({ isWaitedFor: true });
    prober.start(tracker, target);
    clock.advance(10_000);
    expect(asked.slice(0, 4)).toEqual([0, 1, 3, 7]);
    const pauses = asked.slice(1).map((atMs, index) => atMs - (asked[index] ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(10);
    expect(asked.length).toBeGreaterThan(1000);
  });

  test("backs off to 200 ms for a pod that nobody waits for, and hurries once somebody does", () => {
    const { clock, prober, tracker, target, asked, state } = build();
    prober.start(tracker, target);
    clock.advance(5000);
    expect(asked.at(-1)).toBe((asked.at(-2) ?? 0) + 200);
    const before = asked.length;
    state.isWaitedFor = true;
    prober.hurry(tracker);
    expect(asked.length).toBe(before + 1);
    clock.advance(20);
    expect(asked.length).toBeGreaterThan(before + 4);
  });

  test("stops at the first success", () => {
    const { clock, prober, tracker, target, asked, healthy, setAnswer } = build();
    prober.start(tracker, target);
    setAnswer(true);
    clock.advance(1000);
    expect(healthy).toEqual([tracker]);
    expect(asked.length).toBe(2);
    expect(prober.size).toBe(0);
  });

  test("a pod that accepts and never answers is asked again after the time limit", () => {
    const { clock, prober, tracker, target, asked, setAnswer } = build({ isWaitedFor: true });
    setAnswer(undefined);
    prober.start(tracker, target);
    clock.advance(650);
    expect(asked).toEqual([0, 301, 603]);
  });

  test("waits for the platform's verdict where only that knows (exec and startup probes)", () => {
    const { clock, prober, tracker, target, healthy, setAnswer } = build({
      needsPlatformReady: true,
      pod: { ready: false },
    });
    setAnswer(true);
    prober.start(tracker, target);
    clock.advance(1000);
    expect(healthy).toEqual([]);
    tracker.pod = makePod({ ready: true });
    prober.hurry(tracker);
    expect(healthy).toEqual([tracker]);
  });

  test("is quiet for as long as it is told, however urgent it is, and then as fast as ever", () => {
    const { clock, prober, tracker, target, asked } = build({ isWaitedFor: true });
    prober.start(tracker, target, 100);
    clock.advance(50);
    prober.hurry(tracker);
    clock.advance(57);
    expect(asked).toEqual([100, 101, 103, 107]);
  });

  test.each([
    ["terminating", { terminating: true }],
    ["failed", { failure: { reason: "Crash", message: "gone" } }],
  ])("a %s pod is not asked", (_, pod) => {
    const { prober, tracker, target, asked } = build({ pod });
    prober.start(tracker, target);
    expect(asked).toEqual([]);
  });

  test("a pod that begins to terminate is asked no more", () => {
    const { clock, prober, tracker, target, asked } = build();
    prober.start(tracker, target);
    tracker.pod = makePod({ terminating: true });
    clock.advance(1000);
    expect(asked.length).toBe(2);
    expect(prober.size).toBe(0);
  });
});
