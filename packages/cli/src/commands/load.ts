import { parseDurationMs } from "@sluice/core";
import { StartError } from "@sluice/kit";
import type { ServiceView } from "@sluice/local";
import type { Command } from "commander";
import { jsonOption, printJson, runtimeDirOption, type CommandContext } from "../command-context.ts";
import { openControl, type ControlClient } from "../control-client.ts";
import { formatLoadReport } from "../load-report.ts";
import { runLoad, type LoadPlan } from "../load-run.ts";
import { summarizeLoad } from "../load-summary.ts";
import { PodCounter } from "../pod-counter.ts";

interface Options {
  readonly clients: string;
  readonly duration: string;
  readonly rate?: string;
  readonly timeout: string;
  readonly runtimeDir?: string;
  readonly json?: boolean;
}

export function addLoadCommand(program: Command, context: CommandContext): void {
  program
    .command("load")
    .description("send load to a service and show how it was answered, with the pods that it brought")
    .argument("<target>", "service name with an optional path (autoscale-go/?sleep=100), or a URL")
    .option("--clients <count>", "connections, each with one request at a time", "50")
    .option("--duration <time>", "how long, such as 30s or 2m", "30s")
    .option(
      "--rate <requests>",
      "requests per second of all clients together, evenly paced (default: unpaced)",
    )
    .option("--timeout <time>", "how long one request may take", "60s")
    .option(...runtimeDirOption)
    .option(...jsonOption)
    .action(async (target: string, options: Options) => {
      const control = openControl(options.runtimeDir, context.environment);
      const isUrl = /^https?:\/\//.test(target);
      const service = isUrl ? undefined : await findService(control, target);
      const plan = toPlan(options, await toAddress(control, target, service));
      const counter = service === undefined ? undefined : PodCounter.start(control, service.name);
      if (options.json !== true) context.stdout.write(describePlan(plan));
      const summary = summarizeLoad(await runLoad(plan));
      const pods = await counter?.stop();
      if (options.json === true) {
        printJson(context.stdout, { ...summary, pods });
        return;
      }
      context.stdout.write(`${formatLoadReport(summary)}\n`);
      if (pods !== undefined) context.stdout.write(`\nPods: ${pods.ready} ready now, ${pods.most} at most\n`);
    });
}

/** Unpaced clients on the same machine are not the article's clients, whose network kept most of them waiting. */
export function describePlan(plan: LoadPlan): string {
  const pace = plan.rate === undefined ? "unpaced" : `paced to ${plan.rate} requests/s`;
  const warning =
    plan.rate === undefined
      ? `  unpaced clients on this machine keep all ${plan.clients} requests in flight; --rate paces them as a network would\n`
      : "";
  return `${plan.clients} clients for ${plan.durationMs / 1000} s, ${pace}\n${warning}\n`;
}

async function findService(control: ControlClient, target: string): Promise<ServiceView> {
  const { name } = splitTarget(target);
  const services = await control.services();
  const service = services.find((candidate) => candidate.name === name);
  if (service === undefined) {
    const known = services.map((candidate) => candidate.name).join(", ");
    throw new StartError(
      `there is no service ${name}`,
      known === "" ? "apply one first" : `there are: ${known}`,
    );
  }
  return service;
}

/** The gateway by address, with the service's name as `Host`: not every system resolves names below localhost. */
async function toAddress(
  control: ControlClient,
  target: string,
  service: ServiceView | undefined,
): Promise<Pick<LoadPlan, "url" | "host">> {
  if (service === undefined) return { url: target };
  const { ports } = await control.status();
  return { url: `http://127.0.0.1:${ports.public}${splitTarget(target).path}`, host: service.host };
}

function splitTarget(target: string): { name: string; path: string } {
  const end = target.search(/[/?]/);
  if (end === -1) return { name: target, path: "/" };
  const path = target.slice(end);
  return { name: target.slice(0, end), path: path.startsWith("/") ? path : `/${path}` };
}

function toPlan(options: Options, address: Pick<LoadPlan, "url" | "host">): LoadPlan {
  const rate = options.rate === undefined ? undefined : readNumber("--rate", options.rate);
  return {
    ...address,
    clients: Math.max(1, Math.round(readNumber("--clients", options.clients))),
    durationMs: readDuration("--duration", options.duration),
    timeoutMs: readDuration("--timeout", options.timeout),
    ...(rate === undefined ? {} : { rate }),
  };
}

function readNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new StartError(`${name} ${text} is no number above 0`, `give one, such as ${name} 50`);
}

function readDuration(name: string, text: string): number {
  const durationMs = parseDurationMs(text);
  if (durationMs !== undefined && durationMs > 0) return durationMs;
  throw new StartError(`${name} ${text} is no time`, `give one with a unit, such as ${name} 30s`);
}
