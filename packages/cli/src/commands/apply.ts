import type { Command } from "commander";
import { jsonOption, printJson, runtimeDirOption, type CommandContext } from "../command-context.ts";
import { openControl } from "../control-client.ts";
import { readManifestTexts } from "../manifest-files.ts";

interface Options {
  readonly filename: string[];
  readonly runtimeDir?: string;
  readonly json?: boolean;
}

export function addApplyCommand(program: Command, context: CommandContext): void {
  program
    .command("apply")
    .description("create or change services; either all of it is applied or nothing")
    .requiredOption("-f, --filename <path...>", "manifests, folders of them, or - for standard input")
    .option(...runtimeDirOption)
    .option(...jsonOption)
    .action(async (options: Options) => {
      const control = openControl(options.runtimeDir, context.environment);
      const view = await control.apply(readManifestTexts(options.filename));
      if (options.json === true) {
        printJson(context.stdout, view);
        return;
      }
      for (const warning of view.warnings) context.stdout.write(`warning: ${warning}\n`);
      for (const { object, action } of view.applied) context.stdout.write(`${object} ${action}\n`);
    });
}
