import { readFileSync } from "node:fs";
import { parseLoadTrace, simulateLoad, type Simulation } from "@sluice/aggregator";
import {
  autoscalerConfigKeys,
  describeProblem,
  parseAutoscalerConfig,
  parseDurationMs,
  resolveScalingSpec,
  scalingAnnotations,
  type ScalingSpec,
} from "@sluice/core";
import { StartError } from "@sluice/kit";
import type { Command } from "commander";
import { jsonOption, printJson, type CommandContext } from "../command-context.ts";
import { formatTable } from "../table.ts";

interface Options {
  readonly load: string;
  readonly set: readonly string[];
  readonly base: readonly string[];
  readonly concurrency: string;
  readonly start: string;
  readonly pods: string;
  readonly json?: boolean;
}

export function addSimulateCommand(program: Command, context: CommandContext): void {
  const collect = (value: string, all: readonly string[]): readonly string[] => [...all, value];
  program
    .command("simulate")
    .description("replay a load against other settings, through the code that decides, side by side")
    .requiredOption("--load <trace.csv>", "a trace of sluice record, or a made one")
    .option("--set <key=value>", "a setting to try, such as target=20; may be repeated", collect, [])
    .option("--base <key=value>", "a setting of both sides, such as window=30s; may be repeated", collect, [])
    .option("--concurrency <n>", "requests that one pod runs at once (0: no limit)", "0")
    .option("--start <duration>", "from the decision to a ready pod", "2s")
    .option("--pods <n>", "ready pods when the trace begins", "0")
    .option(...jsonOption)
    .action((options: Options) => {
      const trace = readTrace(options.load);
      const shape = parseShape(options);
      const run = (settings: readonly string[]): Simulation =>
        simulateLoad(trace, { spec: parseSpec(settings, shape.containerConcurrency), ...shape });
      const sides = [
        { name: "as it is", result: run(options.base) },
        ...(options.set.length === 0
          ? []
          : [{ name: options.set.join(" "), result: run([...options.base, ...options.set]) }]),
      ];
      if (options.json === true) printJson(context.stdout, sides);
      else context.stdout.write(`${formatSides(sides)}\n`);
    });
}

export interface Side {
  readonly name: string;
  readonly result: Simulation;
}

const rows: readonly (readonly [string, (result: Simulation) => string])[] = [
  ["most pods", (result) => String(result.mostPods)],
  ["mean pods", (result) => result.meanPods.toFixed(2)],
  ["cost, pod-seconds", (result) => String(result.podSeconds)],
  ["most waiting requests", (result) => result.mostWaiting.toFixed(0)],
  ["mean wait, seconds", (result) => result.meanWaitSeconds.toFixed(3)],
  ["cold starts", (result) => String(result.coldStarts)],
];
/** Columns of the pod charts. */
const chartWidth = 60;
const bars = " ▁▂▃▄▅▆▇█";

/** The figures of each side in a column, and pods over time below. */
export function formatSides(sides: readonly Side[]): string {
  const table = formatTable(
    ["", ...sides.map(({ name }) => name)],
    rows.map(([label, read]) => [label, ...sides.map(({ result }) => read(result))]),
  );
  const most = Math.max(1, ...sides.map(({ result }) => result.mostPods));
  const charts = sides.map(
    ({ name, result }) =>
      `${drawChart(
        result.seconds.map(({ readyPods }) => readyPods),
        most,
      )}  ${name}`,
  );
  return `${table}\n\nready pods over ${sides[0]?.result.seconds.length ?? 0} s, at most ${most}:\n${charts.join("\n")}`;
}

/** Each column has the highest value of its share of the time. */
function drawChart(values: readonly number[], most: number): string {
  const width = Math.min(chartWidth, values.length);
  return Array.from({ length: width }, (_, column) => {
    const part = values.slice(
      Math.floor((column * values.length) / width),
      Math.floor(((column + 1) * values.length) / width),
    );
    return bars[Math.ceil((Math.max(...part) / most) * (bars.length - 1))];
  }).join("");
}

/** Settings by their key in config-autoscaler or by their annotation without its prefix; the annotation wins. */
export function parseSpec(settings: readonly string[], containerConcurrency: number): ScalingSpec {
  const data: Record<string, string> = {};
  const annotations: Record<string, string> = {};
  const annotationKeys = new Set(Object.values(scalingAnnotations).flatMap(({ keys }) => keys));
  const configKeys = new Set(Object.values(autoscalerConfigKeys).map(({ key }) => key));
  for (const setting of settings) {
    const [key = "", ...value] = setting.split("=");
    const annotation = [...annotationKeys].find((name) => name.slice(name.indexOf("/") + 1) === key);
    if (annotation !== undefined) annotations[annotation] = value.join("=");
    else if (configKeys.has(key)) data[key] = value.join("=");
    else {
      throw new StartError(
        `--set ${setting} names no setting`,
        "use a key of config-autoscaler or an autoscaling annotation without its prefix, such as target=20 or window=30s",
      );
    }
  }
  const { config, problems } = parseAutoscalerConfig(data);
  const resolved = resolveScalingSpec(config, { annotations, containerConcurrency });
  const all = [...problems, ...resolved.problems].map(describeProblem);
  if (all.length > 0) throw new StartError(all.join("; "), "correct these values");
  return resolved.spec;
}

function readTrace(file: string) {
  try {
    return parseLoadTrace(readFileSync(file, "utf8"));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(
      `${file} is no trace: ${why}`,
      "record one with: sluice record <service> -o trace.csv",
      {
        cause,
      },
    );
  }
}

function parseShape(options: Options) {
  const containerConcurrency = Number(options.concurrency);
  const initialPods = Number(options.pods);
  const startMs = parseDurationMs(options.start);
  if (!isCount(containerConcurrency) || !isCount(initialPods) || startMs === undefined || startMs < 0) {
    throw new StartError(
      "--concurrency and --pods must be whole numbers, --start a duration",
      "such as --concurrency 10 --pods 1 --start 2s",
    );
  }
  return { containerConcurrency, initialPods, podStartSeconds: Math.ceil(startMs / 1000) };
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}
