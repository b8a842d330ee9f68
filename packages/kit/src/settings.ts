import { parseArgs } from "node:util";
import {
  defaultOf,
  describeDefault,
  describeKind,
  flagOf,
  parseSetting,
  type Setting,
  type SettingValue,
} from "./setting.ts";

/** All settings of one process; the keys are the names that its code uses. */
export type SettingsTable = Readonly<Record<string, Setting>>;

export type Settings<Table extends SettingsTable> = {
  readonly [Key in keyof Table]: SettingValue<Table[Key]>;
};

export interface SettingsSource {
  /** Usually `process.env`; any record will do. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Command line after the script's name, usually `process.argv.slice(2)`. A flag wins over its variable. */
  readonly args?: readonly string[];
}

/** One thing wrong: the name as it was given, the rule that it breaks, the value (secrets: hidden). */
export interface SettingsProblem {
  readonly name: string;
  readonly rule: string;
  readonly value?: string;
}

/** Everything that is wrong with the settings, at once. `runMain` prints a line for each and exits with 64. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  readonly problems: readonly SettingsProblem[];

  constructor(problems: readonly SettingsProblem[]) {
    super(problems.map(describeProblem).join("\n"));
    this.problems = problems;
  }
}

/** Thrown for `--help`: `runMain` prints the text and exits with 0. */
export class SettingsHelp extends Error {
  override readonly name = "SettingsHelp";
}

/** Keeps the literal types of a table that stands in a constant of its own. */
export function defineSettings<const Table extends SettingsTable>(table: Table): Table {
  return table;
}

/**
 * Reads every setting of `table` from flags, then variables, then defaults. `required` means that the variable
 * must exist: an empty one is a good text and a bad integer (as Knative's envconfig has it).
 * Throws SettingsError with all problems, or SettingsHelp for `--help`.
 */
export function parseSettings<const Table extends SettingsTable>(
  table: Table,
  source: SettingsSource,
): Settings<Table> {
  const problems: SettingsProblem[] = [];
  const flags = parseFlags(table, source.args ?? [], problems);
  const settings: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(table)) {
    const flagText = flags.get(key);
    const text = flagText ?? source.environment[setting.variable];
    const name = flagText === undefined ? setting.variable : `--${flagOf(setting)}`;
    settings[key] = readSetting(setting, name, text, problems);
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return settings as Settings<Table>;
}

/** The text of `--help`: every setting with its flag, variable, kind, default and sentence. */
export function printHelp(table: SettingsTable): string {
  const lines = ["Settings (a flag wins over its variable):"];
  for (const setting of Object.values(table)) {
    lines.push(
      `  --${flagOf(setting)}  ${setting.variable}  (${describeKind(setting)}; ${describePresence(setting)})`,
      `      ${setting.summary}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/** The same as a Markdown table, for the docs. */
export function printSettingsTable(table: SettingsTable): string {
  const rows = Object.values(table).map((setting) =>
    [
      `\`${setting.variable}\``,
      `\`--${flagOf(setting)}\``,
      describeKind(setting),
      describePresence(setting),
      setting.summary,
    ]
      .map((cell) => cell.replaceAll("|", "\\|"))
      .join(" | "),
  );
  const head = "| variable | flag | kind | default | what it does |\n|---|---|---|---|---|";
  return `${[head, ...rows.map((row) => `| ${row} |`)].join("\n")}\n`;
}

function describePresence(setting: Setting): string {
  if (setting.required) return "required";
  const text = describeDefault(setting);
  if (text === undefined) return "no default";
  return text === "" ? "default empty" : `default ${text}`;
}

function describeProblem(problem: SettingsProblem): string {
  const value = problem.value === undefined ? "" : `, but is ${problem.value}`;
  return `${problem.name} ${problem.rule}${value}`;
}

function readSetting(
  setting: Setting,
  name: string,
  text: string | undefined,
  problems: SettingsProblem[],
): unknown {
  if (text === undefined) {
    if (setting.required) problems.push({ name, rule: `must be set (${describeKind(setting)})` });
    return defaultOf(setting);
  }
  try {
    return parseSetting(setting, text);
  } catch (error) {
    const rule = error instanceof Error ? error.message : String(error);
    problems.push({ name, rule, value: setting.secret ? "(hidden)" : JSON.stringify(text) });
    return undefined;
  }
}

/** The texts of the flags by setting key. A flag that nobody declared, or that lacks its value, is a problem. */
function parseFlags(
  table: SettingsTable,
  args: readonly string[],
  problems: SettingsProblem[],
): Map<string, string> {
  const flags = new Map<string, string>();
  if (args.length === 0) return flags;
  const keys = new Map(Object.entries(table).map(([key, setting]) => [flagOf(setting), key]));
  for (const token of parseArgs(toParserConfig(table, args)).tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      problems.push({
        name: "argument",
        rule: "is not known; settings are given as --name value",
        value: token.value,
      });
      continue;
    }
    if (token.name === "help" || token.rawName === "-h") throw new SettingsHelp(printHelp(table));
    const negated = keys.get(token.name.replace(/^no-/, ""));
    const isNegated = token.rawName.startsWith("--no-") && !keys.has(token.rawName.slice(2));
    const key = isNegated ? negated : keys.get(token.name);
    const setting = key === undefined ? undefined : table[key];
    if (key === undefined || setting === undefined || (isNegated && setting.kind !== "boolean")) {
      problems.push({ name: token.rawName, rule: "is not a known flag; --help lists them" });
    } else if (setting.kind === "boolean") flags.set(key, token.value ?? String(!isNegated));
    else if (token.value === undefined) problems.push({ name: token.rawName, rule: "needs a value" });
    else flags.set(key, token.value);
  }
  return flags;
}

function toParserConfig(table: SettingsTable, args: readonly string[]) {
  const options = Object.fromEntries(
    Object.values(table).map((setting) => [
      flagOf(setting),
      { type: setting.kind === "boolean" ? ("boolean" as const) : ("string" as const) },
    ]),
  );
  return {
    args: [...args],
    options,
    strict: false,
    tokens: true,
    allowPositionals: true,
    allowNegative: true,
  } as const;
}
