import { runStartStages, runStopStages, waitInStage, type Stage } from "@sluice/kit";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../support/manual-clock.ts";
import { createRecordingLog } from "../support/recording-log.ts";

function stage(name: string, run: Stage["run"], timeoutMs = 1000): Stage {
  return { name, timeoutMs, run };
}

describe("life cycle", () => {
  test("stop stages run in order, one after the other", async () => {
    const { log } = createRecordingLog();
    const seen: string[] = [];
    const failed = await runStopStages(
      [
        stage("unready", () => void seen.push("unready")),
        stage("drain", async () => {
          await Promise.resolve();
          seen.push("drain");
        }),
        stage("infrastructure", () => void seen.push("infrastructure")),
      ],
      { log, clock: new ManualClock() },
    );
    expect(seen).toEqual(["unready", "drain", "infrastructure"]);
    expect(failed).toEqual([]);
  });

  test("a stop stage that fails or hangs is told so, logged, and left behind", async () => {
    const { log, messages } = createRecordingLog();
    const clock = new ManualClock();
    const hanging = Promise.withResolvers<AbortSignal>();
    let isLastDone = false;
    const stopped = runStopStages(
      [
        stage("broken", () => Promise.reject(new Error("no"))),
        stage("hangs", (signal) => {
          hanging.resolve(signal);
          return Promise.withResolvers<void>().promise;
        }),
        stage("last", () => void (isLastDone = true)),
      ],
      { log, clock },
    );
    const signal = await hanging.promise;
    expect(signal.aborted).toBe(false);
    clock.advance(1000);
    expect(await stopped).toEqual(["broken", "hangs"]);
    expect(signal.aborted).toBe(true);
    expect(isLastDone).toBe(true);
    expect(messages("warn")).toHaveLength(2);
  });

  test("starting ends with the first stage that fails", async () => {
    const { log } = createRecordingLog();
    const seen: string[] = [];
    const started = runStartStages(
      [
        stage("first", () => void seen.push("first")),
        stage("second", () => Promise.reject(new Error("port taken"))),
        stage("third", () => void seen.push("third")),
      ],
      { log, clock: new ManualClock() },
    );
    await expect(started).rejects.toThrow("port taken");
    expect(seen).toEqual(["first"]);
  });

  test("a start stage that hangs fails with its name and limit", async () => {
    const { log } = createRecordingLog();
    const clock = new ManualClock();
    const stages = [stage("probe the app", () => Promise.withResolvers<void>().promise, 250)];
    const started = runStartStages(stages, { log, clock });
    clock.advance(250);
    await expect(started).rejects.toThrow('"probe the app" did not end within 250 ms');
  });

  test("a wait inside a stage ends with the delay or with the stage", async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const waits = [waitInStage(clock, 100, abort.signal), waitInStage(clock, 9999, abort.signal)];
    clock.advance(100);
    await waits[0];
    abort.abort();
    await waits[1];
    expect(clock.monotonic()).toBe(100);
  });
});
