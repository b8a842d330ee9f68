import type { Command } from "commander";
import { toPrintable } from "../printable.ts";
import { StartError } from "@sluice/kit";
import { jsonOption, runtimeDirOption, type CommandContext } from "../command-context.ts";
import { openControl } from "../control-client.ts";

interface Options {
  readonly follow?: boolean;
  readonly tail: string;
  readonly runtimeDir?: string;
  readonly json?: boolean;
}

export function addLogsCommand(program: Command, context: CommandContext): void {
  program
    .command("logs")
    .description("print the last lines of pods and of sluice's own processes")
    .argument("[name]", "a service, a revision, a pod, activator-0, aggregator-0 or platform (default: all)")
    .option("-f, --follow", "go on with new lines")
    .option("--tail <lines>", "how many of the last lines", "200")
    .option(...runtimeDirOption)
    .option(...jsonOption)
    .action(async (name: string | undefined, options: Options) => {
      const tail = Number(options.tail);
      if (!Number.isInteger(tail) || tail < 0) {
        throw new StartError(
          `--tail ${options.tail} is no number of lines`,
          "give a whole number, such as --tail 50",
        );
      }
      const control = openControl(options.runtimeDir, context.environment);
      await control.logs({ name: name ?? "", tail, follow: options.follow === true }, (line) => {
        const text =
          options.json === true
            ? JSON.stringify(line)
            : `${line.source}${line.container === line.source ? "" : `/${line.container}`} | ${line.text}`;
        // JSON escapes what is not printable by itself.
        context.stdout.write(`${options.json === true ? text : toPrintable(text)}\n`);
      });
    });
}
