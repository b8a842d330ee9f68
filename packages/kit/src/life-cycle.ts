import type { Clock } from "@sluice/core";
import type { Logger } from "./log.ts";

/** One step of starting or stopping a process, as data: what it is, how long it may take, what it does. */
export interface Stage {
  /** For the log: `unready`, `wait for propagation`, `close listeners`, `drain`, `infrastructure`. */
  readonly name: string;
  readonly timeoutMs: number;
  /** `signal` aborts when the time is over; the stage should give up then. */
  run(signal: AbortSignal): void | Promise<void>;
}

export interface StageContext {
  readonly log: Logger;
  readonly clock: Clock;
}

/** A stage that did not end in its time. */
export class StageTimeout extends Error {
  override readonly name = "StageTimeout";
}

/** Runs the stages in order; the first that fails or takes too long ends it with its error. */
export async function runStartStages(stages: readonly Stage[], context: StageContext): Promise<void> {
  for (const stage of stages) await runStage(stage, context.clock);
}

/**
 * Runs every stage in order, whatever happened before: one that fails or takes too long is logged and left behind,
 * so that stopping always ends. Returns the names of those.
 */
export async function runStopStages(
  stages: readonly Stage[],
  context: StageContext,
): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const stage of stages) {
    const startMs = context.clock.monotonic();
    try {
      await runStage(stage, context.clock);
      const tookMs = Math.round(context.clock.monotonic() - startMs);
      context.log.info({ stage: stage.name, tookMs }, "stop stage done");
    } catch (error) {
      failed.push(stage.name);
      context.log.warn({ stage: stage.name, error }, "stop stage failed; going on with the next");
    }
  }
  return failed;
}

/** Waits inside a stage; ends early, without an error, when the stage's time is over. */
export function waitInStage(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.setTimer(finish, delayMs);
    signal.addEventListener("abort", finish, { once: true });
    function finish(): void {
      cancel();
      signal.removeEventListener("abort", finish);
      resolve();
    }
  });
}

async function runStage(stage: Stage, clock: Clock): Promise<void> {
  const abort = new AbortController();
  const timeout = Promise.withResolvers<never>();
  const cancel = clock.setTimer(() => {
    const error = new StageTimeout(`"${stage.name}" did not end within ${stage.timeoutMs} ms`);
    timeout.reject(error);
    abort.abort(error);
  }, stage.timeoutMs);
  try {
    await Promise.race([stage.run(abort.signal), timeout.promise]);
  } finally {
    cancel();
  }
}
