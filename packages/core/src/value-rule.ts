import { parseDurationMs } from "./duration.ts";

/** How the text of one setting becomes a value: `rule` is the sentence that a person reads when `parse` refuses. */
export interface ValueRule<T> {
  /** What a value has to be, to stand after "must be". */
  readonly rule: string;
  /** The value, or undefined when the text breaks the rule. */
  parse(text: string): T | undefined;
}

/** A text that broke its rule. */
export interface ValueProblem {
  readonly name: string;
  readonly rule: string;
  readonly value: string;
}

/** `target must be a number of at least 0.01, not "ten"`. */
export function describeProblem(problem: ValueProblem): string {
  return `${problem.name} must be ${problem.rule}, not ${JSON.stringify(problem.value)}`;
}

const numberPattern = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const integerPattern = /^[+-]?\d+$/;
const maxInt32 = 2_147_483_647;
const trueTexts = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const falseTexts = new Set(["0", "f", "F", "FALSE", "false", "False"]);

/** The texts that Go's `strconv.ParseBool` takes. */
export const booleanRule: ValueRule<boolean> = {
  rule: "true or false",
  parse: (text) => (trueTexts.has(text) ? true : falseTexts.has(text) ? false : undefined),
};

export const textRule: ValueRule<string> = {
  rule: "a text",
  parse: (text) => text,
};

/** A number for which `isAllowed` holds; infinities and NaN never are. */
export function numberRule(
  rule: string,
  isAllowed: (value: number) => boolean = () => true,
): ValueRule<number> {
  return {
    rule,
    parse(text) {
      const value = numberPattern.test(text) ? Number(text) : Number.NaN;
      return Number.isFinite(value) && isAllowed(value) ? value : undefined;
    },
  };
}

/** A whole number from `min` to 2^31-1, as Kubernetes counts replicas. */
export function integerRule(min: number): ValueRule<number> {
  return {
    rule: `a whole number of at least ${min}`,
    parse(text) {
      const value = integerPattern.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= maxInt32 ? value : undefined;
    },
  };
}

/** A Go duration, in milliseconds. */
export function durationRule(rule: string, isAllowed: (durationMs: number) => boolean): ValueRule<number> {
  return {
    rule,
    parse(text) {
      const durationMs = parseDurationMs(text);
      return durationMs !== undefined && isAllowed(durationMs) ? durationMs : undefined;
    },
  };
}

export function isWholeSeconds(durationMs: number): boolean {
  return durationMs % 1000 === 0;
}
