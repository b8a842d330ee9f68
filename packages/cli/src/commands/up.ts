import { join } from "node:path";
import type { Command } from "commander";
import { createLogger, parseSettings, StartError, type Stage } from "@sluice/kit";
import {
  createPlatform,
  ManifestRefused,
  platformSettings,
  type ApplyView,
  type Platform,
  type ServiceView,
} from "@sluice/local";
import type { CommandContext } from "../command-context.ts";
import { LiveView } from "../live-view.ts";
import { readUpFiles, type UpFiles } from "../manifest-files.ts";
import { formatTable } from "../table.ts";
import { addSettingOptions, toSettingArguments } from "../setting-options.ts";

/** What requests get to end in when the platform stops; a second Ctrl-C ends it at once. */
const drainLimitMs = 10_000;

export function addUpCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("up")
    .description("run the platform on this machine with the services of these files, until Ctrl-C")
    .argument("[path...]", "manifests, or folders of them (default: the examples of the project)")
    .option("--quiet", "no live view");
  addSettingOptions(command, platformSettings);
  command.action(async (paths: string[], options: Record<string, unknown>) => {
    const settings = parseSettings(platformSettings, {
      environment: context.environment,
      args: toSettingArguments(platformSettings, options),
    });
    const files = readUpFiles(paths.length > 0 ? paths : [join(context.root, "examples")]);
    const view = new LiveView({ stdout: context.stdout, read: () => platform.revisions });
    const platform = await createPlatform({
      settings,
      root: context.root,
      images: files.images,
      autoscaler: files.autoscaler,
      environment: context.environment,
      onNotice: (text) => view.notice(text),
      onChange: () => {},
    });
    const applied = await start(platform, files);
    context.stdout.write(describeStart(platform, applied));
    if (options["quiet"] !== true) view.start();
    context.keepRunning({
      log: createLogger({ name: "sluice", level: "silent" }),
      stop: toStopStages(platform, view, context),
    });
  });
}

async function start(platform: Platform, files: UpFiles): Promise<ApplyView> {
  try {
    return await platform.start(files.manifests);
  } catch (error) {
    if (!(error instanceof ManifestRefused)) throw error;
    throw new StartError(
      `nothing was started: ${error.problems.join("; ")}`,
      "correct the manifest and start again",
      { cause: error },
    );
  }
}

function toStopStages(platform: Platform, view: LiveView, context: CommandContext): Stage[] {
  return [
    {
      name: "drain",
      timeoutMs: 3 * drainLimitMs,
      async run() {
        view.stop();
        context.stdout.write(
          "\nstopping: requests that are under way get an answer; Ctrl-C again to stop at once\n",
        );
        await platform.stop(drainLimitMs);
        context.stdout.write("stopped; no process is left\n");
      },
    },
    { name: "kill", timeoutMs: 1000, run: () => platform.kill() },
  ];
}

function describeStart(platform: Platform, applied: ApplyView): string {
  const { ports } = platform.status;
  const { services } = platform;
  const gateway = `http://127.0.0.1:${ports.public}`;
  const addresses = services.map(({ name, url, host }) => [name, url, `Host: ${host}`]);
  const lines = [
    `sluice is up: gateway ${gateway}, scale endpoint http://127.0.0.1:${ports.aggregator}/v1/scale`,
    ...applied.warnings.map((warning) => `warning: ${warning}`),
    "",
    formatTable(["SERVICE", "URL", "OR"], addresses),
    "",
    "Try, in another terminal:",
    ...suggest(services, gateway).map((command) => `  ${command}`),
    "",
  ];
  return `${lines.join("\n")}\n`;
}

/** What to type next: the article's requests and loads for its services, else the same for the first service. */
function suggest(services: readonly ServiceView[], gateway: string): string[] {
  const first = services.find(({ name }) => name === "helloworld-go") ?? services[0];
  const slow = services.find(({ name }) => name === "autoscale-go");
  if (first === undefined) return ["npm run sluice -- apply -f service.yaml"];
  const slowPath = "/?sleep=100&prime=10000&bloat=5";
  const sluice = "npm run -s sluice --";
  return [
    `curl -i -H 'Host: ${first.host}' ${gateway}/`,
    ...(slow === undefined ? [] : [`curl -i '${slow.url}${slowPath}'`]),
    `${sluice} load ${first.name} --clients 50 --duration 30s --rate 1323`,
    ...(slow === undefined ? [] : [`${sluice} load '${slow.name}${slowPath}' --clients 50 --duration 30s`]),
    `${sluice} get pods`,
  ];
}
