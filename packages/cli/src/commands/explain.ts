import { explainDecisions } from "@sluice/aggregator";
import type { Command } from "commander";
import { jsonOption, printJson, runtimeDirOption, type CommandContext } from "../command-context.ts";
import { aggregatorOption, openScale } from "../scale-client.ts";

interface Options {
  readonly aggregator?: string;
  readonly runtimeDir?: string;
  readonly json?: boolean;
}

export function addExplainCommand(program: Command, context: CommandContext): void {
  program
    .command("explain")
    .description("tell why a service has as many pods as it has: its last decisions as a story")
    .argument("<service>", "a service (its newest revision) or a revision")
    .option(...aggregatorOption)
    .option(...runtimeDirOption)
    .option(...jsonOption)
    .action(async (name: string, options: Options) => {
      const scale = await openScale(options, context.environment);
      const decisions = await scale.history(await scale.findRevision(name));
      if (options.json === true) printJson(context.stdout, decisions);
      else context.stdout.write(explainDecisions(decisions));
    });
}
