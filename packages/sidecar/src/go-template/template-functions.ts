import { escapeForHtml, escapeForQuery, escapeForScript } from "./go-escape.ts";
import { print, printFormatted, toPlainText } from "./go-format.ts";
import { GoMap, GoStruct, isList, isTrue, toTypeName, type GoValue } from "./go-value.ts";

type TemplateFunction = (args: readonly GoValue[]) => GoValue;

/** Go's predefined functions, but `and` and `or`, which stop early and so are the program's. Each throws where Go's fails. */
export const templateFunctions: Readonly<Record<string, TemplateFunction>> = {
  not: (args) => !isTrue(one("not", args)),
  len: (args) => toLength(one("len", args)),
  index: (args) => args.slice(1).reduce(toElement, first("index", args)),
  slice: (args) => toSlice(first("slice", args), args.slice(1)),
  print: (args) => print(args),
  println: (args) => `${args.map((value) => toPlainText(value)).join(" ")}\n`,
  printf: (args) => toFormatted(args),
  html: (args) => escapeForHtml(printSome(args)),
  js: (args) => escapeForScript(printSome(args)),
  urlquery: (args) => escapeForQuery(printSome(args)),
  call: (args) => {
    throw new TypeError(`call of a ${toTypeName(first("call", args))}, which is no function`);
  },
  eq: (args) => isEqualToAny(args),
  ne: (args) => !isEqual(...pair("ne", args)),
  lt: (args) => compare(...pair("lt", args)) < 0,
  le: (args) => compare(...pair("le", args)) <= 0,
  gt: (args) => compare(...pair("gt", args)) > 0,
  ge: (args) => compare(...pair("ge", args)) >= 0,
};

export const functionNames: ReadonlySet<string> = new Set([...Object.keys(templateFunctions), "and", "or"]);

function printSome(args: readonly GoValue[]): string {
  return print(args.map((value) => value ?? "<no value>"));
}

function first(name: string, args: readonly GoValue[]): GoValue {
  const [value] = args;
  if (value === undefined) throw new TypeError(`wrong number of args for ${name}`);
  return value;
}

function one(name: string, args: readonly GoValue[]): GoValue {
  if (args.length !== 1) throw new TypeError(`wrong number of args for ${name}: want 1 got ${args.length}`);
  return first(name, args);
}

function pair(name: string, args: readonly GoValue[]): [GoValue, GoValue] {
  const [left, right] = args;
  if (left === undefined || right === undefined || args.length > 2) {
    throw new TypeError(`wrong number of args for ${name}: want 2 got ${args.length}`);
  }
  return [left, right];
}

function toLength(value: GoValue): bigint {
  if (typeof value === "string" || isList(value)) return BigInt(value.length);
  if (value instanceof GoMap) return BigInt(value.entries.size);
  throw new TypeError(`len of type ${toTypeName(value)}`);
}

function toElement(value: GoValue, index: GoValue): GoValue {
  if (value instanceof GoMap) {
    if (typeof index !== "string") throw new TypeError(`a ${toTypeName(index)} is no key of a map`);
    return value.entries.get(index) ?? value.missing;
  }
  if (typeof value !== "string" && !isList(value))
    throw new TypeError(`can't index item of type ${toTypeName(value)}`);
  const at = toIndex(index, value.length - 1);
  return typeof value === "string" ? BigInt(value.charCodeAt(at)) : (value[at] ?? null);
}

function toIndex(value: GoValue, most: number): number {
  if (typeof value !== "bigint")
    throw new TypeError(`cannot index slice/array with type ${toTypeName(value)}`);
  if (value < 0n || value > BigInt(most)) throw new RangeError(`index out of range: ${value}`);
  return Number(value);
}

function toSlice(value: GoValue, indices: readonly GoValue[]): GoValue {
  if (typeof value !== "string" && !isList(value))
    throw new TypeError(`can't slice item of type ${toTypeName(value)}`);
  if (indices.length > (typeof value === "string" ? 2 : 3)) throw new RangeError("too many slice indexes");
  const [from = 0n, to = BigInt(value.length)] = indices;
  const end = toIndex(to, value.length);
  const start = toIndex(from, end);
  return value.slice(start, end);
}

function toFormatted(args: readonly GoValue[]): string {
  const format = first("printf", args);
  if (typeof format !== "string") throw new TypeError(`printf wants a string, got ${toTypeName(format)}`);
  return printFormatted(format, args.slice(1));
}

function isEqualToAny(args: readonly GoValue[]): boolean {
  const value = first("eq", args);
  const others = args.slice(1);
  if (others.length === 0) throw new TypeError("missing argument for comparison");
  return others.some((other) => isEqual(value, other));
}

function isEqual(left: GoValue, right: GoValue): boolean {
  for (const each of [left, right]) {
    if (isList(each) || each instanceof GoMap) {
      if (left === null || right === null) return false;
      throw new TypeError(`non-comparable type ${toTypeName(each)}`);
    }
  }
  if (isNil(left) || isNil(right)) return isNil(left) && isNil(right);
  if (left instanceof GoStruct || right instanceof GoStruct) return left === right;
  if (typeof left !== typeof right) throw new TypeError("incompatible types for comparison");
  return left === right;
}

function isNil(value: GoValue): boolean {
  return value === null || (value instanceof GoStruct && value.isNil);
}

function compare(left: GoValue, right: GoValue): number {
  const isOrdered =
    typeof left === typeof right &&
    (typeof left === "string" || typeof left === "bigint" || typeof left === "number");
  if (!isOrdered || left === null || right === null) throw new TypeError("incompatible types for comparison");
  return left < right ? -1 : left > right ? 1 : 0;
}
