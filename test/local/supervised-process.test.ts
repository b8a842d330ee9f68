import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import type { ExitStatus, GuardedProcess } from "../../packages/local/src/guarded-process.ts";
import { decideRestart } from "../../packages/local/src/restart-backoff.ts";
import { SupervisedProcess } from "../../packages/local/src/supervised-process.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A program that ends when the test says so. */
class ScriptedProcess implements GuardedProcess {
  readonly pid = 1;
  readonly input = new PassThrough();
  readonly exited: Promise<ExitStatus>;
  readonly signals: string[] = [];
  isKilled = false;
  readonly #end = Promise.withResolvers<ExitStatus>();

  constructor() {
    this.exited = this.#end.promise;
  }

  get closed(): Promise<ExitStatus> {
    return this.exited;
  }

  end(code: number): void {
    this.#end.resolve({ code, signal: undefined });
  }

  signal(name: string): void {
    this.signals.push(name);
  }

  kill(): void {
    this.isKilled = true;
    this.#end.resolve({ code: undefined, signal: "SIGKILL" });
  }
}

function supervise(): {
  clock: ManualClock;
  started: ScriptedProcess[];
  crashes: number[];
  supervised: SupervisedProcess;
} {
  const clock = new ManualClock();
  const started: ScriptedProcess[] = [];
  const crashes: number[] = [];
  const supervised = new SupervisedProcess(
    clock,
    () => {
      const next = new ScriptedProcess();
      started.push(next);
      return next;
    },
    { onStart: () => {}, onCrash: ({ delayMs }) => crashes.push(delayMs) },
  );
  supervised.start();
  return { clock, started, crashes, supervised };
}

/** Ends the newest program and lets the supervisor learn of it. */
async function crash(started: ScriptedProcess[]): Promise<void> {
  const last = started.at(-1);
  last?.end(1);
  await last?.closed;
}

test.each([
  { name: "the first failure", failures: 0, ranMs: 50, expected: { failures: 1, delayMs: 100 } },
  { name: "the second in a row", failures: 1, ranMs: 50, expected: { failures: 2, delayMs: 200 } },
  { name: "many in a row", failures: 30, ranMs: 50, expected: { failures: 31, delayMs: 30_000 } },
  { name: "after a healthy run", failures: 30, ranMs: 10_000, expected: { failures: 1, delayMs: 100 } },
])("the pause before a restart: $name", ({ failures, ranMs, expected }) => {
  expect(decideRestart({ failures }, ranMs)).toEqual(expected);
});

test("a program that ends is started again, with growing pauses", async () => {
  const { clock, started, crashes } = supervise();
  await crash(started);
  clock.advance(99);
  expect(started).toHaveLength(1);
  clock.advance(1);
  expect(started).toHaveLength(2);
  await crash(started);
  clock.advance(200);
  expect(started).toHaveLength(3);
  expect(crashes).toEqual([100, 200]);
});

test("a program that is stopped is asked first, killed at the limit, and not started again", async () => {
  const { clock, started, crashes, supervised } = supervise();
  const stopped = supervised.stop(5000);
  expect(started[0]?.signals).toEqual(["SIGTERM"]);
  clock.advance(4999);
  expect(started[0]?.isKilled).toBe(false);
  clock.advance(1);
  await stopped;
  expect(started[0]?.isKilled).toBe(true);
  clock.advance(60_000);
  expect(started).toHaveLength(1);
  expect(crashes).toEqual([]);
});

test("a stop between two runs cancels the next", async () => {
  const { clock, started, supervised } = supervise();
  await crash(started);
  await supervised.stop(1000);
  clock.advance(60_000);
  expect(started).toHaveLength(1);
});
