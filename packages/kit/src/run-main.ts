import { systemClock } from "@sluice/core";
import { writeSync } from "node:fs";
import { runStopStages, type Stage } from "./life-cycle.ts";
import { flushLog, type Logger } from "./log.ts";
import { SettingsError, SettingsHelp } from "./settings.ts";
import { describeStartError } from "./start-error.ts";

/** A process that has started: how it stops, and optionally when it ends by itself. */
export interface Running {
  readonly log: Logger;
  /** Run in order on SIGTERM or SIGINT. Usual: unready, wait for propagation, close listeners, drain, infrastructure. */
  readonly stop: readonly Stage[];
  /** When it settles the process stops as on a signal; a number is the exit code, a rejection is exit code 1. */
  readonly ended?: Promise<number | undefined>;
}

/** Exit code of configuration problems (`EX_USAGE` of sysexits.h). */
export const usageExitCode = 64;
/** npm passes a Ctrl-C on that the terminal has already sent to the whole group: two within this time are one. */
const sameSignalMs = 300;
/** What shells give to a process that a signal cut short. */
const interruptedExitCode = 130;
const longestTimerMs = 2 ** 31 - 1;

/**
 * The life of a process, for `main.ts`: starts it, stops it in order on SIGTERM or SIGINT, and gives the exit code:
 * 0 after an ordered stop (or when `start` returns nothing: a command that is done), 64 for settings, one line each,
 * 1 when it could not start, in one line. A signal before it has started, and a second one, end the process at once.
 */
export async function runMain(start: () => Promise<Running | void>): Promise<void> {
  const signals = listenForSignals();
  try {
    const running = await start();
    if (running !== undefined) process.exit(await runUntilStopped(running, signals));
    signals.dispose();
  } catch (error) {
    process.exit(reportStartError(error));
  }
}

async function runUntilStopped(running: Running, signals: Signals): Promise<number> {
  const stopped = signals.next();
  // Timers of the clock do not hold a process, and while it stops nothing else may be left that does.
  const hold = setInterval(() => running.log.trace("running"), longestTimerMs);
  const exitCode = await Promise.race([stopped, waitForEnd(running)]);
  await runStopStages(running.stop, { log: running.log, clock: systemClock });
  await flushLog(running.log);
  clearInterval(hold);
  return exitCode;
}

/** Writes what is wrong for the person who started the process; returns the exit code. */
function reportStartError(error: unknown): number {
  if (error instanceof SettingsHelp) {
    writeSync(1, error.message);
    return 0;
  }
  if (error instanceof SettingsError) {
    writeSync(2, `${error.message}\n`);
    return usageExitCode;
  }
  writeSync(2, `${describeStartError(error)}\n`);
  return 1;
}

async function waitForEnd(running: Running): Promise<number> {
  if (running.ended === undefined) return Promise.withResolvers<number>().promise;
  try {
    return (await running.ended) ?? 0;
  } catch (error) {
    running.log.fatal({ error }, "cannot go on; stopping");
    return 1;
  }
}

interface Signals {
  /** Resolves with the exit code 0 at the next signal; until this is called, a signal ends the process. */
  next(): Promise<number>;
  dispose(): void;
}

function listenForSignals(): Signals {
  let stop: ((exitCode: number) => void) | undefined;
  let stoppedMs = -Infinity;
  function onSignal(): void {
    const nowMs = performance.now();
    if (stop !== undefined) {
      stoppedMs = nowMs;
      stop(0);
      stop = undefined;
    } else if (nowMs - stoppedMs > sameSignalMs) process.exit(interruptedExitCode);
  }
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  return {
    next: () => new Promise((resolve) => (stop = resolve)),
    dispose() {
      process.off("SIGTERM", onSignal);
      process.off("SIGINT", onSignal);
    },
  };
}
