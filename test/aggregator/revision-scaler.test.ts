import {
  defaultAutoscalerConfig,
  parseAutoscalerConfig,
  resolveScalingSpec,
  type Applied,
} from "@sluice/core";
import { describe, expect, test } from "vitest";
import { RevisionScaler, type HearingState } from "../../packages/aggregator/src/revision-scaler.ts";
import { SteadyTime } from "../../packages/aggregator/src/steady-time.ts";
import { createRevision, createStat } from "../support/aggregator-harness.ts";
import { ManualClock } from "../support/manual-clock.ts";

const everybody: HearingState = { isComplete: true, lastIncompleteMs: Number.NEGATIVE_INFINITY };

interface Options {
  annotations?: Record<string, string>;
  config?: Record<string, string>;
  applied?: Partial<Applied>;
  readyPods?: number;
  reachable?: boolean;
}

/** One revision, a clock, and a platform that does at once what it is told. */
class Scene {
  readonly clock = new ManualClock();
  readonly time = new SteadyTime(this.clock);
  readonly #options: Options;
  readonly #scaler: RevisionScaler;
  #applied: Applied;
  #reachable: boolean;
  #hearing: HearingState = everybody;
  readyPods: number;

  constructor(options: Options = {}) {
    this.#options = options;
    this.#reachable = options.reachable ?? true;
    this.readyPods = options.readyPods ?? 0;
    const now = this.#now();
    this.#applied = {
      replicas: this.readyPods,
      mode: "proxy",
      modeSince: now,
      decidedAt: now,
      ...options.applied,
    };
    this.#scaler = new RevisionScaler(this.#facts(), { time: this.time, owner: "aggregator-0" });
  }

  get scaler(): RevisionScaler {
    return this.#scaler;
  }

  /** Lets `seconds` pass with so much in flight, evaluated every two. */
  run(seconds: number, concurrency = 0, requestCount = concurrency): void {
    for (let second = 0; second < seconds; second++) {
      if (concurrency > 0) this.stat({ averageConcurrentRequests: concurrency, requestCount });
      this.clock.advance(1000);
      // What a scrape of idle pods gives.
      if (this.#scaler.needsScraping) this.#scaler.load.add(Math.floor(this.time.nowMs() / 1000), 0, 0);
      if (second % 2 === 1) this.evaluate();
    }
  }

  stat(stat: Parameters<typeof createStat>[0] = {}): void {
    const timestamp = Math.floor(this.clock.now() / 1000);
    const whole = createStat({ timestamp, ...stat });
    const isUrgent = this.#scaler.record(whole, this.time.toSecond(whole.timestamp), this.time.nowMs());
    if (isUrgent) this.evaluate();
  }

  evaluate(): void {
    this.#scaler.evaluate(this.time.nowMs(), this.#hearing);
    this.#obey();
    this.#scaler.update(this.#facts());
    this.#scaler.evaluate(this.time.nowMs(), this.#hearing);
  }

  hear(hearing: HearingState): void {
    this.#hearing = hearing;
  }

  reach(reachable: boolean): void {
    this.#reachable = reachable;
  }

  get decision() {
    return this.#scaler.decision;
  }

  get desired(): number | undefined {
    return this.#scaler.decision?.desiredPods;
  }

  /** Pods are ready at once, modes are changed at once. */
  #obey(): void {
    const { decision } = this.#scaler;
    if (decision === undefined) return;
    const isNewMode = decision.mode !== this.#applied.mode;
    this.#applied = {
      replicas: decision.desiredPods,
      mode: decision.mode,
      modeSince: isNewMode ? this.#now() : this.#applied.modeSince,
      decidedAt: decision.decidedAt,
    };
    this.readyPods = decision.desiredPods;
  }

  #facts() {
    const prefixed = Object.entries(this.#options.annotations ?? {}).map(
      ([key, value]) => [`autoscaling.knative.dev/${key}`, value] as const,
    );
    const revision = createRevision({
      annotations: Object.fromEntries(prefixed),
      applied: this.#applied,
      reachable: this.#reachable,
    });
    const config = parseAutoscalerConfig(this.#options.config ?? {}).config;
    return { revision, spec: resolveScalingSpec(config, revision).spec, readyPods: this.readyPods };
  }

  #now(): string {
    return new Date(this.clock.now()).toISOString();
  }
}

describe("scale to zero", () => {
  test("takes a stable window of silence, then the grace period, and not a second less", () => {
    const scene = new Scene();
    scene.stat();
    scene.run(10, 1);
    expect(scene.desired).toBe(1);
    scene.run(88);
    expect(scene.desired).toBe(1);
    scene.run(6);
    expect(scene.desired).toBe(0);
    expect(scene.decision).toMatchObject({ mode: "proxy", activation: { state: "inactive" } });
  });

  test.each([45, 60, 85])("a request every %i s keeps one pod for ever", (period) => {
    const scene = new Scene();
    const seen = new Set<number | undefined>();
    for (let round = 0; round < 20; round++) {
      scene.stat({ averageConcurrentRequests: 0.01 });
      for (let second = 0; second < period; second++) {
        scene.run(1);
        if (second % 2 === 0) scene.evaluate();
        seen.add(scene.desired);
      }
    }
    expect([...seen]).toEqual([1]);
  });

  test("a long request keeps its pod as long as it runs", () => {
    const scene = new Scene();
    scene.run(1000, 1, 0);
    expect(scene.desired).toBe(1);
  });

  test("waits until activators are in the path", () => {
    const scene = new Scene({ readyPods: 1, applied: { mode: "serve" } });
    const stuck = scene.scaler;
    for (let second = 0; second < 300; second += 2) {
      scene.clock.advance(2000);
      stuck.load.add(Math.floor(scene.time.nowMs() / 1000), 0, 0);
      stuck.evaluate(scene.time.nowMs(), everybody);
    }
    expect(stuck.decision).toMatchObject({ desiredPods: 1, mode: "proxy", limits: ["activators-in-path"] });
  });

  test("waits while an activator cannot be heard", () => {
    const scene = new Scene();
    scene.run(10, 1);
    scene.hear({ isComplete: false, lastIncompleteMs: Number.POSITIVE_INFINITY });
    scene.run(600);
    expect(scene.desired).toBe(1);
    scene.hear({ isComplete: true, lastIncompleteMs: scene.time.nowMs() });
    scene.run(88);
    expect(scene.desired).toBe(1);
    scene.run(6);
    expect(scene.desired).toBe(0);
  });

  test("keeps the last pod for its retention period", () => {
    const scene = new Scene({ annotations: { "scale-to-zero-pod-retention-period": "5m" } });
    scene.run(10, 1);
    scene.run(350);
    expect(scene.decision).toMatchObject({ desiredPods: 1, limits: ["pod-retention"] });
    scene.run(20);
    expect(scene.desired).toBe(0);
  });

  test("does not happen when it is switched off", () => {
    const scene = new Scene({ config: { "enable-scale-to-zero": "false" } });
    scene.run(10, 1);
    scene.run(300);
    expect(scene.desired).toBe(1);
  });

  test("a request on the way to zero brings the revision back at once", () => {
    const scene = new Scene();
    scene.run(10, 1);
    scene.run(75);
    expect(scene.decision?.activation.state).toBe("inactive");
    scene.stat();
    expect(scene.decision).toMatchObject({ desiredPods: 1, activation: { state: "active" } });
  });

  test("a wall clock that jumps moves nothing", () => {
    const scene = new Scene();
    scene.run(10, 1);
    scene.run(30);
    scene.clock.jump(3_600_000);
    scene.run(50);
    scene.clock.jump(-7_200_000);
    expect(scene.desired).toBe(1);
    scene.run(20);
    expect(scene.desired).toBe(0);
  });
});

describe("bounds", () => {
  test("min-scale holds while a route leads to the revision", () => {
    const scene = new Scene({ annotations: { "min-scale": "3" }, readyPods: 3 });
    scene.run(200);
    expect(scene.desired).toBe(3);
    scene.reach(false);
    scene.run(200);
    expect(scene.desired).toBe(0);
  });

  test("max-scale holds whatever load asks for, and the recommendation still says it", () => {
    const scene = new Scene({ annotations: { "max-scale": "2", target: "10" } });
    scene.run(20, 100);
    expect(scene.decision).toMatchObject({ desiredPods: 2, recommendedPods: 15, limits: ["max-scale"] });
    expect(scene.decision?.reason).toContain("max-scale allows 2");
  });
});

describe("first sight", () => {
  test("an initial scale of zero starts at zero and waits", () => {
    const config = { "allow-zero-initial-scale": "true", "initial-scale": "0" };
    const scene = new Scene({ config });
    scene.run(200);
    expect(scene.decision).toMatchObject({ desiredPods: 0, activation: { state: "inactive" } });
  });

  test("five pods that somebody runs already stay while nothing is known about their load", () => {
    const scene = new Scene({ readyPods: 5 });
    scene.hear({ isComplete: false, lastIncompleteMs: Number.POSITIVE_INFINITY });
    scene.run(300);
    expect(scene.desired ?? 5).toBe(5);
  });

  test("five pods are not taken away by a restart, only a window later", () => {
    const scene = new Scene({ readyPods: 5 });
    scene.run(58);
    expect(scene.decision).toMatchObject({ desiredPods: 5, inPanicMode: true });
    scene.run(10);
    expect(scene.desired).toBeLessThan(5);
  });

  test("pods that never become ready are given up after the progress deadline", () => {
    const scene = new Scene({ applied: { replicas: 1 } });
    const { scaler } = scene;
    scaler.evaluate(scene.time.nowMs(), everybody);
    scene.clock.advance(629_000);
    scaler.evaluate(scene.time.nowMs(), everybody);
    expect(scaler.decision?.desiredPods ?? 1).toBe(1);
    scene.clock.advance(2000);
    scaler.evaluate(scene.time.nowMs(), everybody);
    expect(scaler.decision).toMatchObject({ desiredPods: 0, rule: "gave-up" });
  });
});

describe("mode", () => {
  test("callers may go straight to pods once a burst fits", () => {
    const scene = new Scene({ annotations: { target: "100", "target-burst-capacity": "50" } });
    scene.run(10, 1);
    expect(scene.decision).toMatchObject({ mode: "serve", excessBurstCapacity: 49, numActivators: 2 });
  });

  test.each([
    ["-1", "proxy"],
    ["0", "serve"],
  ])("target-burst-capacity %s means %s", (capacity, mode) => {
    const scene = new Scene({ annotations: { "target-burst-capacity": capacity } });
    scene.run(10, 1);
    expect(scene.decision?.mode).toBe(mode);
  });

  test.each([
    [0, "200", 2],
    [1, "200", 3],
    [5, "-1", 5],
    [15, "200", 17],
    [100, "0", 2],
  ])("%i pods with burst capacity %s get %i activators", (pods, capacity, expected) => {
    const scene = new Scene({
      annotations: { "target-burst-capacity": capacity, "min-scale": String(pods) },
      readyPods: pods,
    });
    scene.run(10);
    expect(scene.decision?.numActivators).toBe(expected);
  });
});

test("the defaults are Knative's", () => {
  const { spec } = resolveScalingSpec(defaultAutoscalerConfig, createRevision());
  expect(spec).toMatchObject({ stableWindowMs: 60_000, scaleToZeroGracePeriodMs: 30_000, targetValue: 70 });
});
