import { describeDefault, flagOf, type SettingsTable } from "@sluice/kit";
import type { Command } from "commander";

/** Every setting of a table as an option of a command, so that `--help` shows them with their variables. */
export function addSettingOptions(command: Command, table: SettingsTable): void {
  for (const setting of Object.values(table)) {
    const shown = describeDefault(setting);
    command.option(
      `--${flagOf(setting)} <value>`,
      `${setting.summary} (${setting.variable}${shown === undefined ? "" : `, default ${shown}`})`,
    );
  }
}

/** The options that were given, as the arguments that the settings are parsed from. */
export function toSettingArguments(
  table: SettingsTable,
  options: Readonly<Record<string, unknown>>,
): string[] {
  return Object.values(table).flatMap((setting) => {
    const value = options[toOptionName(flagOf(setting))];
    return typeof value === "string" ? [`--${flagOf(setting)}=${value}`] : [];
  });
}

/** commander's name of an option: `public-port` is `publicPort`. */
function toOptionName(flag: string): string {
  return flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
