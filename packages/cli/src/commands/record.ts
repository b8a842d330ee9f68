import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { formatLoadTrace, type LoadSecond } from "@sluice/aggregator";
import { parseDurationMs } from "@sluice/core";
import { StartError } from "@sluice/kit";
import type { Command } from "commander";
import { runtimeDirOption, type CommandContext } from "../command-context.ts";
import { aggregatorOption, openScale, type ScaleClient } from "../scale-client.ts";

interface Options {
  readonly for: string;
  readonly output?: string;
  readonly aggregator?: string;
  readonly runtimeDir?: string;
}

export function addRecordCommand(program: Command, context: CommandContext): void {
  program
    .command("record")
    .description("write the load of a service, second by second, as a trace for sluice simulate")
    .argument("<service>", "a service (its newest revision) or a revision")
    .option("--for <duration>", "how long", "60s")
    .option("-o, --output <file>", "where to (default: standard output)")
    .option(...aggregatorOption)
    .option(...runtimeDirOption)
    .action(async (name: string, options: Options) => {
      const durationMs = parseDurationMs(options.for) ?? 0;
      if (durationMs < 1000) {
        throw new StartError(
          `--for ${options.for} is no duration of at least 1s`,
          "give one such as --for 5m",
        );
      }
      const scale = await openScale(options, context.environment);
      const { namespace, name: revision } = await scale.findRevision(name);
      const trace = await recordLoad(scale, `${namespace}/${revision}`, Math.floor(durationMs / 1000));
      await write(formatLoadTrace(trace), options.output, context);
    });
}

/** Reads the counters once in each period, usually a second. */
export async function recordLoad(
  scale: Pick<ScaleClient, "queue">,
  key: string,
  seconds: number,
  periodMs = 1000,
): Promise<LoadSecond[]> {
  const trace: LoadSecond[] = [];
  let count = (await scale.queue())[key]?.RequestCount ?? 0;
  const startMs = performance.now();
  for (let second = 1; second <= seconds; second++) {
    await sleep(Math.max(0, startMs + second * periodMs - performance.now()));
    const entry = (await scale.queue())[key];
    const total = entry?.RequestCount ?? count;
    // An aggregator that restarted counts from zero again.
    const requests = total >= count ? total - count : total;
    count = total;
    trace.push({ concurrency: entry?.Concurrency ?? 0, requests });
  }
  return trace;
}

async function write(text: string, file: string | undefined, context: CommandContext): Promise<void> {
  if (file === undefined) {
    context.stdout.write(text);
    return;
  }
  const stream = createWriteStream(file);
  stream.end(text);
  await once(stream, "finish");
  context.stdout.write(`wrote ${file}; replay it with: sluice simulate --load ${file} --set target=20\n`);
}
