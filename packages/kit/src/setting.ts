import { formatDuration, parseDurationMs } from "@sluice/core";
import { statSync } from "node:fs";
import { resolve } from "node:path";

interface SettingBase {
  /** The environment variable, which is also the setting's name in messages. */
  readonly variable: string;
  /** Command line name without dashes; when left away it comes from the variable: `SLUICE_PUBLIC_PORT` is `--public-port`. */
  readonly flag?: string;
  /** One sentence for people: what it does, with the reason of the default. */
  readonly summary: string;
  /** The variable must exist. Without this and without a default the value may be undefined. */
  readonly required?: true;
  /** The value never appears in messages, help or logs. */
  readonly secret?: true;
}

export interface TextSetting extends SettingBase {
  /** Any text, also the empty one. */
  readonly kind: "text";
  readonly default?: string;
}

export interface ListSetting extends SettingBase {
  /** Texts between commas; blanks around them and empty ones are dropped. */
  readonly kind: "list";
  readonly default?: readonly string[];
}

export interface NumberSetting extends SettingBase {
  readonly kind: "integer" | "number";
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
  /** Shown in help and tables: `bytes`, `requests`, `seconds`. */
  readonly unit?: string;
}

export interface DurationSetting extends SettingBase {
  /** A Go duration such as `300ms` or `1m30s`; values and bounds are milliseconds. */
  readonly kind: "durationMs";
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
}

export interface PortSetting extends SettingBase {
  /** 0 to 65535; 0 takes a free port. */
  readonly kind: "port";
  readonly default?: number;
}

export interface BooleanSetting extends SettingBase {
  /** What Go's `strconv.ParseBool` takes: 1, t, T, true, TRUE, True and their opposites. */
  readonly kind: "boolean";
  readonly default?: boolean;
}

export interface ChoiceSetting extends SettingBase {
  readonly kind: "oneOf";
  readonly choices: readonly string[];
  readonly default?: string;
}

export interface PathSetting extends SettingBase {
  /** A file or folder that must exist and be of that kind; the value is its absolute path. */
  readonly kind: "file" | "folder";
  readonly default?: string;
}

export interface ParsedSetting extends SettingBase {
  /** Anything else: `parse` returns the value or throws an Error whose message is the rule that was broken. */
  readonly kind: "parsed";
  readonly parse: (text: string) => unknown;
  /** The default as somebody would type it. */
  readonly default?: string;
}

export type Setting =
  | TextSetting
  | ListSetting
  | NumberSetting
  | DurationSetting
  | PortSetting
  | BooleanSetting
  | ChoiceSetting
  | PathSetting
  | ParsedSetting;

interface ValueOfKind {
  text: string;
  list: readonly string[];
  integer: number;
  number: number;
  durationMs: number;
  port: number;
  boolean: boolean;
  file: string;
  folder: string;
}

type PresentValue<S extends Setting> = S extends ChoiceSetting
  ? S["choices"][number]
  : S extends ParsedSetting
    ? ReturnType<S["parse"]>
    : S["kind"] extends keyof ValueOfKind
      ? ValueOfKind[S["kind"]]
      : never;

/** What a parsed setting is: never undefined when it is required or has a default. */
export type SettingValue<S extends Setting> = S extends
  | { readonly required: true }
  | { readonly default: unknown }
  ? PresentValue<S>
  : PresentValue<S> | undefined;

const trueTexts: readonly string[] = ["1", "t", "T", "true", "TRUE", "True"];
const falseTexts: readonly string[] = ["0", "f", "F", "false", "FALSE", "False"];

/** The value of a text that was given. Throws an Error whose message is the rule that the text breaks. */
export function parseSetting(setting: Setting, text: string): unknown {
  switch (setting.kind) {
    case "text":
      return text;
    case "list":
      return text
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "");
    case "integer":
    case "number":
      return checkRange(setting, parseNumber(setting.kind, text), String);
    case "durationMs":
      return parseDuration(setting, text);
    case "port":
      return parsePort(text);
    case "boolean":
      return parseBoolean(text);
    case "oneOf":
      if (!setting.choices.includes(text))
        throw new RangeError(`must be one of ${setting.choices.join(", ")}`);
      return text;
    case "file":
    case "folder":
      return parsePath(setting.kind, text);
    case "parsed":
      break;
  }
  return setting.parse(text);
}

/** The default's value, or undefined where there is none. */
export function defaultOf(setting: Setting): unknown {
  return setting.kind === "parsed" && setting.default !== undefined
    ? setting.parse(setting.default)
    : setting.default;
}

/** `SLUICE_PUBLIC_PORT` becomes `public-port`, `POD_IP` becomes `pod-ip`. */
export function flagOf(setting: Setting): string {
  return (
    setting.flag ??
    setting.variable
      .replace(/^SLUICE_/, "")
      .toLowerCase()
      .replaceAll("_", "-")
  );
}

/** Kind, unit and range in a few words. */
export function describeKind(setting: Setting): string {
  switch (setting.kind) {
    case "list":
      return "list, with commas";
    case "integer":
    case "number":
      return joinKnown([setting.kind, setting.unit, describeRange(setting.min, setting.max, String)]);
    case "durationMs":
      return joinKnown(["duration", describeRange(setting.min, setting.max, formatDuration)]);
    case "port":
      return "port, 0 to 65535";
    case "oneOf":
      return `one of ${setting.choices.join(", ")}`;
    case "parsed":
      return "text";
    case "text":
    case "boolean":
    case "file":
    case "folder":
      break;
  }
  return setting.kind;
}

/** The default as somebody would type it; undefined where there is none. Secrets show that they have one only. */
export function describeDefault(setting: Setting): string | undefined {
  if (setting.default === undefined) return undefined;
  if (setting.secret) return "(secret)";
  if (setting.kind === "durationMs") return formatDuration(setting.default);
  if (setting.kind === "list") return setting.default.join(",");
  return String(setting.default);
}

function joinKnown(parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(", ");
}

function describeRange(
  min: number | undefined,
  max: number | undefined,
  format: (value: number) => string,
): string | undefined {
  if (min !== undefined && max !== undefined) return `${format(min)} to ${format(max)}`;
  if (min !== undefined) return `at least ${format(min)}`;
  return max === undefined ? undefined : `at most ${format(max)}`;
}

function parseNumber(kind: "integer" | "number", text: string): number {
  const value = Number(text);
  const isForm = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);
  if (kind === "integer") {
    if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) throw new TypeError("must be an integer");
  } else if (!isForm || !Number.isFinite(value)) throw new TypeError("must be a number");
  return value;
}

function parseDuration(setting: DurationSetting, text: string): number {
  const durationMs = parseDurationMs(text);
  if (durationMs === undefined) throw new TypeError("must be a duration such as 300ms, 1m30s or 0");
  return checkRange(setting, durationMs, formatDuration);
}

function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new RangeError("must be a port, 0 to 65535");
  return Number(text);
}

function parseBoolean(text: string): boolean {
  if (trueTexts.includes(text)) return true;
  if (falseTexts.includes(text)) return false;
  throw new TypeError("must be true or false");
}

function parsePath(kind: "file" | "folder", text: string): string {
  const path = resolve(text);
  const stats = text === "" ? undefined : statSync(path, { throwIfNoEntry: false });
  const isOfKind = kind === "file" ? stats?.isFile() : stats?.isDirectory();
  if (isOfKind !== true) throw new Error(`must name a ${kind} that exists`);
  return path;
}

function checkRange(
  setting: NumberSetting | DurationSetting,
  value: number,
  format: (value: number) => string,
): number {
  const isInside = value >= (setting.min ?? -Infinity) && value <= (setting.max ?? Infinity);
  if (!isInside) throw new RangeError(`must be ${describeRange(setting.min, setting.max, format)}`);
  return value;
}
