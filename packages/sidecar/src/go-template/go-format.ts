import { quote, fromByteText, toByteText } from "./go-text.ts";
import { GoMap, GoStruct, isList, toTypeName, type GoValue } from "./go-value.ts";

/** As Go's `%v` writes it; `withNames`: as `%+v`. */
export function toPlainText(value: GoValue, withNames = false): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return formatShortest(value);
  if (value === null) return "<nil>";
  if (isList(value)) return `[${value.map((each) => toPlainText(each, withNames)).join(" ")}]`;
  if (value instanceof GoMap) {
    return `map[${value.sorted.map(([key, each]) => `${key}:${toPlainText(each, withNames)}`).join(" ")}]`;
  }
  if (!(value instanceof GoStruct)) return String(value);
  return toOwnText(value) ?? (value.isNil ? "<nil>" : `&${toStructText(value, withNames)}`);
}

/** What an action prints: a pointer is followed, and a value that is not there is said to be none. */
export function toActionText(value: GoValue): string {
  if (value === null) return "<no value>";
  if (!(value instanceof GoStruct) || value.isNil) return toPlainText(value);
  return toOwnText(value) ?? toStructText(value, false);
}

/** What the value's own `String` says. */
function toOwnText({ methods }: GoStruct): string | undefined {
  const text = methods["String"]?.call([]);
  return typeof text === "string" ? text : undefined;
}

function toStructText({ fields }: GoStruct, withNames: boolean): string {
  const texts = Object.entries(fields).map(
    ([name, read]) => `${withNames ? `${name}:` : ""}${toPlainText(read(), withNames)}`,
  );
  return `{${texts.join(" ")}}`;
}

/** As Go's `Sprint`: a blank between two neighbours of which neither is a text. */
export function print(values: readonly GoValue[]): string {
  return values
    .map((value, index) => {
      const before = values[index - 1];
      const isApart = index > 0 && typeof value !== "string" && typeof before !== "string";
      return `${isApart ? " " : ""}${toPlainText(value)}`;
    })
    .join("");
}

/** The shortest digits that mean this float64; with an exponent below 1e-4 and from 1e6 on. */
export function formatShortest(value: number): string {
  if (!Number.isFinite(value)) return formatSpecial(value);
  const [digits = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < 6) return toPlainDigits(value);
  return `${digits}e${formatExponent(exponent)}`;
}

function formatSpecial(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

function formatExponent(exponent: number): string {
  return `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** Without an exponent, which JavaScript writes below 1e-6. */
function toPlainDigits(value: number): string {
  const text = Object.is(value, -0) ? "-0" : String(value);
  if (!text.includes("e")) return text;
  return value.toFixed(20).replace(/0+$/, "");
}

const directive = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?(?:\[(\d+)\])?(.)?/gs;

/** As Go's `Sprintf`, complaints about wrong arguments included. */
export function printFormatted(format: string, values: readonly GoValue[]): string {
  let next = 0;
  let isReordered = false;
  const take = (): GoValue | undefined => values[next++];
  const text = format.replaceAll(
    directive,
    (
      whole,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      index?: string,
      verb?: string,
    ) => {
      if (verb === "%") return "%";
      if (verb === undefined) return "%!(NOVERB)";
      const hasPrecision = whole.includes(".");
      const options = {
        flags,
        width: toSize(width, take),
        precision: hasPrecision ? (toSize(precision, take) ?? 0) : undefined,
      };
      if (index !== undefined) {
        isReordered = true;
        next = Number(index) - 1;
      }
      if (index !== undefined && (next < 0 || next >= values.length)) return `%!${verb}(BADINDEX)`;
      if (next >= values.length) return `%!${verb}(MISSING)`;
      const value = take();
      return pad(formatVerb(verb, value ?? null, options), verb, value ?? null, options);
    },
  );
  const extra = (isReordered ? [] : values.slice(next)).map(
    (value) => `${toTypeName(value)}=${toPlainText(value)}`,
  );
  return extra.length === 0 ? text : `${text}%!(EXTRA ${extra.join(", ")})`;
}

interface VerbOptions {
  readonly flags: string;
  readonly width: number | undefined;
  readonly precision: number | undefined;
}

function toSize(text: string | undefined, take: () => GoValue | undefined): number | undefined {
  if (text === undefined) return undefined;
  return text === "*" ? Number(take() ?? 0) : Number(text);
}

function pad(text: string, verb: string, value: GoValue, { flags, width = 0 }: VerbOptions): string {
  const missing = width - fromByteText(text).length;
  if (missing <= 0) return text;
  if (flags.includes("-")) return text + " ".repeat(missing);
  if (!flags.includes("0")) return " ".repeat(missing) + text;
  const sign = isNumeric(value) && /^[+-]/.test(text) ? text.charAt(0) : "";
  return verb === "v" && !isNumeric(value)
    ? "0".repeat(missing) + text
    : `${sign}${"0".repeat(missing)}${text.slice(sign.length)}`;
}

function isNumeric(value: GoValue): boolean {
  return typeof value === "bigint" || typeof value === "number";
}

function formatVerb(verb: string, value: GoValue, options: VerbOptions): string {
  if (verb === "T") return toTypeName(value);
  if (isList(value) && verb !== "v")
    return `[${value.map((each) => formatVerb(verb, each, options)).join(" ")}]`;
  const text = formatKnown(verb, value, options);
  return text ?? `%!${verb}(${value === null ? "<nil>" : `${toTypeName(value)}=${toPlainText(value)}`})`;
}

function formatKnown(verb: string, value: GoValue, options: VerbOptions): string | undefined {
  if (verb === "v") return formatValue(value, options);
  if (value instanceof GoStruct) return formatStructVerb(verb, value, options);
  if (typeof value === "string") return formatTextVerb(verb, value, options);
  if (typeof value === "bigint") return formatIntVerb(verb, value, options);
  if (typeof value === "number") return formatFloatVerb(verb, value, options);
  return verb === "t" && typeof value === "boolean" ? String(value) : undefined;
}

function formatStructVerb(verb: string, value: GoStruct, options: VerbOptions): string | undefined {
  const text = toOwnText(value);
  return text === undefined ? undefined : formatTextVerb(verb, text, options);
}

function formatValue(value: GoValue, options: VerbOptions): string {
  if (options.flags.includes("#") && typeof value === "string") return quote(value);
  if (typeof value === "number" && options.precision !== undefined)
    return formatFloatVerb("g", value, options) ?? "";
  if (options.flags.includes("+") && isNumeric(value)) return withSign(toPlainText(value), options);
  return toPlainText(value, options.flags.includes("+"));
}

function formatTextVerb(verb: string, value: string, { precision, flags }: VerbOptions): string | undefined {
  const cut =
    precision === undefined
      ? value
      : toByteText(Array.from(fromByteText(value)).slice(0, precision).join(""));
  if (verb === "s") return cut;
  if (verb === "q")
    return isRawQuotable(cut) && flags.includes("#") ? `\`${cut}\`` : quote(cut, flags.includes("+"));
  const hex = Buffer.from(value.slice(0, precision), "latin1").toString("hex");
  const prefix = flags.includes("#") && hex !== "" ? "0x" : "";
  const separated = `${prefix}${flags.includes(" ") ? hex.replaceAll(/(..)(?=.)/g, "$1 ") : hex}`;
  if (verb === "x") return separated;
  return verb === "X" ? separated.toUpperCase() : undefined;
}

function isRawQuotable(text: string): boolean {
  return /^[\t\x20-\x5f\x61-\x7e\x80-\xff]*$/.test(text);
}

const bases: Readonly<Record<string, number>> = { d: 10, b: 2, o: 8, O: 8, x: 16, X: 16 };
const basePrefixes: Readonly<Record<string, string>> = { x: "0x", X: "0X", o: "0", b: "0b" };

function formatIntVerb(verb: string, value: bigint, options: VerbOptions): string | undefined {
  if (verb === "c") return toByteText(String.fromCodePoint(Number(value)));
  if (verb === "q") return `'${toByteText(String.fromCodePoint(Number(value)))}'`;
  if (verb === "U") return formatCodePoint(value, options);
  const base = bases[verb];
  if (base === undefined) return undefined;
  const digits = (value < 0n ? -value : value).toString(base).padStart(options.precision ?? 0, "0");
  const prefix = verb === "O" ? "0o" : options.flags.includes("#") ? (basePrefixes[verb] ?? "") : "";
  const text = `${value < 0n ? "-" : ""}${prefix}${verb === "X" ? digits.toUpperCase() : digits}`;
  return withSign(text, options);
}

function formatCodePoint(value: bigint, { flags }: VerbOptions): string {
  const code = `U+${value.toString(16).toUpperCase().padStart(4, "0")}`;
  return flags.includes("#") ? `${code} '${toByteText(String.fromCodePoint(Number(value)))}'` : code;
}

function withSign(text: string, { flags }: VerbOptions): string {
  if (text.startsWith("-") || text.startsWith("+")) return text;
  if (flags.includes("+")) return `+${text}`;
  return flags.includes(" ") ? ` ${text}` : text;
}

function formatFloatVerb(verb: string, value: number, options: VerbOptions): string | undefined {
  if (!/^[eEfFgG]$/.test(verb)) return undefined;
  if (!Number.isFinite(value)) return formatSpecial(value);
  const { precision } = options;
  const lower = verb.toLowerCase();
  const text =
    lower === "f"
      ? toFixed(value, precision ?? 6)
      : lower === "e"
        ? toScientific(value, precision ?? 6)
        : formatGeneral(value, precision);
  return withSign(verb === lower ? text : text.toUpperCase(), options);
}

/** The first `count` digits of a number and its decimal exponent, rounded half to even as Go does. */
function roundDigits(value: number, count: number): { digits: string; exponent: number } {
  const [mantissa = "", exponentText = "0"] = Math.abs(value).toExponential(mostDigits).split("e");
  const all = mantissa.replace(".", "");
  const exponent = Number(exponentText);
  if (count < 0) return { digits: "", exponent };
  const kept = all.slice(0, count);
  const rest = all.slice(count);
  const isHalf = /^50*$/.test(rest);
  const isUp = isHalf ? Number(kept.at(-1) ?? 0) % 2 === 1 : rest >= "5";
  if (!isUp) return { digits: kept, exponent };
  const raised = (BigInt(kept === "" ? 0 : kept) + 1n).toString().padStart(kept.length, "0");
  return raised.length > Math.max(1, kept.length)
    ? { digits: raised.slice(0, count), exponent: exponent + 1 }
    : { digits: raised, exponent: kept === "" ? exponent + 1 : exponent };
}

/** More than the exact half of any number has that a log prints. */
const mostDigits = 100;

function toScientific(value: number, precision: number): string {
  const { digits, exponent } = roundDigits(value, precision + 1);
  return `${toSign(value)}${withPoint(digits, 1)}e${formatExponent(value === 0 ? 0 : exponent)}`;
}

function toFixed(value: number, precision: number): string {
  const magnitude = Math.abs(value);
  // Below one the first digit may stand behind the last place that is kept.
  const exponent = magnitude === 0 ? 0 : Number(magnitude.toExponential(mostDigits).split("e")[1]);
  const { digits } = roundDigits(value, exponent + 1 + precision);
  const whole = digits.padStart(precision + 1, "0");
  return `${toSign(value)}${withPoint(whole, whole.length - precision)}`;
}

function toSign(value: number): string {
  return value < 0 || Object.is(value, -0) ? "-" : "";
}

function withPoint(digits: string, at: number): string {
  return digits.length > at ? `${digits.slice(0, at)}.${digits.slice(at)}` : digits;
}

/** `%g`: the shorter of the two, without zeros at the end. */
function formatGeneral(value: number, precision: number | undefined): string {
  if (precision === undefined || value === 0) return formatShortest(value);
  const significant = Math.max(1, precision);
  const { exponent } = roundDigits(value, significant);
  if (exponent < -4 || exponent >= significant) {
    const [digits = "", rest = ""] = toScientific(value, significant - 1).split("e");
    return `${trimZeros(digits)}e${rest}`;
  }
  return trimZeros(toFixed(value, Math.max(0, significant - 1 - exponent)));
}

function trimZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
