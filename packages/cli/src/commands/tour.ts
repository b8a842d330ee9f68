import { join } from "node:path";
import { parseDurationMs } from "@sluice/core";
import { createLogger, describeStartError, StartError } from "@sluice/kit";
import type { Command } from "commander";
import { ChildPlatform } from "../child-platform.ts";
import { jsonOption, printJson, type CommandContext } from "../command-context.ts";
import { runTour, TourFailure, type TourResult } from "../tour.ts";

interface Options {
  readonly duration: string;
  readonly idle: string;
  readonly json?: boolean;
}

export function addTourCommand(program: Command, context: CommandContext): void {
  program
    .command("tour")
    .description(
      "the whole article, step by step, on a platform of its own (free ports; one that already runs is left alone)",
    )
    .argument("[path...]", "manifests of the two services and the autoscaler's settings (default: examples)")
    .option("--duration <time>", "how long each load takes", "30s")
    .option("--idle <time>", "longest wait for zero pods: stable window, grace period, and some", "150s")
    .option(...jsonOption)
    .action(async (paths: string[], options: Options) => {
      const loadMs = readDuration("--duration", options.duration);
      const idleLimitMs = readDuration("--idle", options.idle);
      const write = (text: string): void => {
        if (options.json !== true) context.stdout.write(text);
      };
      write("The tour starts a platform of its own on free ports, and stops it at the end.\n");
      const platform = await ChildPlatform.start({
        root: context.root,
        environment: context.environment,
        paths: paths.length > 0 ? paths : [join(context.root, "examples")],
      });
      const ended = runTour({ control: platform.control, write, loadMs, idleLimitMs });
      context.keepRunning({
        log: createLogger({ name: "sluice", level: "silent" }),
        ended: ended.then((result) => conclude(result, options, context), explain(context)),
        stop: [
          { name: "stop the platform", timeoutMs: 60_000, run: async () => void (await platform.stop()) },
        ],
      });
    });
}

function conclude(result: TourResult, options: Options, context: CommandContext): number {
  if (options.json === true) printJson(context.stdout, result);
  else context.stdout.write("\nEvery step came out, and every answer was a 200.\n");
  return 0;
}

function explain(context: CommandContext): (error: unknown) => number {
  return (error) => {
    const why = error instanceof TourFailure ? error.message : describeStartError(error);
    context.stdout.write(`\nThe tour stops here: ${why}.\n`);
    return 1;
  };
}

function readDuration(name: string, text: string): number {
  const durationMs = parseDurationMs(text);
  if (durationMs !== undefined && durationMs > 0) return durationMs;
  throw new StartError(`${name} ${text} is no time`, `give one with a unit, such as ${name} 30s`);
}
