import type { Command } from "commander";
import { StartError } from "@sluice/kit";
import { runtimeDirOption, type CommandContext } from "../command-context.ts";
import { openControl } from "../control-client.ts";

export function addDeleteCommand(program: Command, context: CommandContext): void {
  program
    .command("delete")
    .description("delete services; their pods end what they are doing first")
    .argument("<service...>", "name, or namespace/name")
    .option(...runtimeDirOption)
    .action(async (names: string[], options: { readonly runtimeDir?: string }) => {
      const control = openControl(options.runtimeDir, context.environment);
      for (const given of names) {
        const [namespace, name] = splitName(given);
        if (!(await control.remove(namespace, name))) {
          throw new StartError(
            `there is no service ${namespace}/${name}`,
            "see the names with: sluice get services",
          );
        }
        context.stdout.write(`service ${namespace}/${name} deleted\n`);
      }
    });
}

/** A name without a namespace is in `default`, as for every other tool. */
export function splitName(text: string): readonly [namespace: string, name: string] {
  const slash = text.indexOf("/");
  return slash === -1 ? ["default", text] : [text.slice(0, slash), text.slice(slash + 1)];
}
