/**
 * A value as Go's templates see it. Strings have a character per byte, `bigint` is Go's int, `number` its float64, and null its
 * nil.
 */
export type GoValue = string | bigint | number | boolean | null | readonly GoValue[] | GoMap | GoStruct;

/** A method of a value. Throws when Go's would return an error. */
export interface GoMethod {
  /** Arguments that it takes. */
  readonly arity: number;
  call(args: readonly GoValue[]): GoValue;
}

type Methods = Readonly<Record<string, GoMethod>>;

/** A map with text as keys, which may have methods, as `http.Header` does. */
export class GoMap {
  readonly typeName: string;
  readonly entries: ReadonlyMap<string, GoValue>;
  /** What a key that is not there gives. */
  readonly missing: GoValue;
  readonly methods: Methods;

  constructor(
    typeName: string,
    entries: ReadonlyMap<string, GoValue>,
    missing: GoValue,
    methods: Methods = {},
  ) {
    this.typeName = typeName;
    this.entries = entries;
    this.missing = missing;
    this.methods = methods;
  }

  /** As Go goes through a map in a template: by key. */
  get sorted(): readonly (readonly [string, GoValue])[] {
    return [...this.entries].toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
  }
}

/** A pointer to a struct, or to none. Fields are read when they are asked for, so that a line pays only for what it says. */
export class GoStruct {
  readonly typeName: string;
  readonly fields: Readonly<Record<string, () => GoValue>>;
  readonly methods: Methods;
  readonly isNil: boolean;

  constructor(
    typeName: string,
    fields: Readonly<Record<string, () => GoValue>>,
    methods: Methods = {},
    isNil = false,
  ) {
    this.typeName = typeName;
    this.fields = fields;
    this.methods = methods;
    this.isNil = isNil;
  }
}

/** What `if`, `and`, `or` and `not` take for true: everything but false, zero, nil and what is empty. */
export function isTrue(value: GoValue): boolean {
  if (value instanceof GoMap) return value.entries.size > 0;
  if (value instanceof GoStruct) return !value.isNil;
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

export function isList(value: GoValue): value is readonly GoValue[] {
  return Array.isArray(value);
}

/** As Go's `%T` names it. */
export function toTypeName(value: GoValue): string {
  if (value === null) return "<nil>";
  if (value instanceof GoMap || value instanceof GoStruct) return value.typeName;
  if (isList(value)) return "[]string";
  const names: Readonly<Record<string, string>> = {
    string: "string",
    bigint: "int",
    number: "float64",
    boolean: "bool",
  };
  return names[typeof value] ?? "";
}
