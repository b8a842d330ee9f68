import { Command, CommanderError } from "commander";
import { usageExitCode } from "@sluice/kit";
import type { CommandContext } from "./command-context.ts";
import { addApplyCommand } from "./commands/apply.ts";
import { addDeleteCommand } from "./commands/delete.ts";
import { addExplainCommand } from "./commands/explain.ts";
import { addGetCommand } from "./commands/get.ts";
import { addInjectCommand } from "./commands/inject.ts";
import { addInstallCommand, addUninstallCommand } from "./commands/install.ts";
import { addLoadCommand } from "./commands/load.ts";
import { addLogsCommand } from "./commands/logs.ts";
import { addRecordCommand } from "./commands/record.ts";
import { addRenderCommand } from "./commands/render.ts";
import { addSimulateCommand } from "./commands/simulate.ts";
import { addTourCommand } from "./commands/tour.ts";
import { addUpCommand } from "./commands/up.ts";

const addCommands = [
  addUpCommand,
  addApplyCommand,
  addGetCommand,
  addLogsCommand,
  addDeleteCommand,
  addLoadCommand,
  addExplainCommand,
  addSimulateCommand,
  addRecordCommand,
  addTourCommand,
  addInjectCommand,
  addRenderCommand,
  addInstallCommand,
  addUninstallCommand,
] as const;

/** Runs one command line; returns the exit code of a usage error, which commander has already explained, else 0. */
export async function runProgram(args: readonly string[], context: CommandContext): Promise<number> {
  const program = new Command("sluice")
    .description(
      "Scale-to-zero HTTP services on one machine: a gateway that holds requests, pods from zero to many.",
    )
    .showSuggestionAfterError()
    .exitOverride();
  for (const add of addCommands) add(program, context);
  for (const command of program.commands) command.exitOverride().showHelpAfterError("(--help shows how)");
  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : usageExitCode;
  }
}
