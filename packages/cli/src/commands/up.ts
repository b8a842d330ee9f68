import { join } from "node:path";
import type { Command } from "commander";
import { createLogger, parseSettings, StartError, type Stage } from "@sluice/kit";
import {
  createPlatform,
  ManifestRefused,
  platformSettings,
  type ApplyView,
  type Platform,
} from "@sluice/local";
import type { CommandContext } from "../command-context.ts";
import { LiveView } from "../live-view.ts";
import { readUpFiles, type UpFiles } from "../manifest-files.ts";
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
  const lines = [
    `sluice is up: activator on http://127.0.0.1:${ports.public}, scale endpoint on http://127.0.0.1:${ports.aggregator}/v1/scale`,
    ...applied.warnings.map((warning) => `warning: ${warning}`),
    "",
    ...services.map((service) => `  ${service.name}  ${service.url}  (Host: ${service.host})`),
    "",
    "Try, in another terminal:",
    ...services
      .slice(0, 1)
      .map((service) => `  curl -i -H 'Host: ${service.host}' http://127.0.0.1:${ports.public}/`),
    ...suggestSlow(services),
    ...services
      .slice(0, 1)
      .map((service) => `  npm run sluice -- load ${service.name} --clients 50 --duration 30s --rate 1323`),
    "  npm run sluice -- get pods",
    "",
  ];
  return `${lines.join("\n")}\n`;
}

function suggestSlow(services: Platform["services"]): string[] {
  return services
    .filter(({ name }) => name === "autoscale-go")
    .flatMap(({ name, url }) => [
      `  curl -i '${url}/?sleep=100&prime=10000&bloat=5'`,
      `  npm run sluice -- load '${name}/?sleep=100&prime=10000&bloat=5' --clients 50 --duration 30s`,
    ]);
}
