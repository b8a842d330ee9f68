import type { Findings } from "./problem.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Reads the fields of one object by name and type, reports what does not fit, and at the end names every field that
 * nobody asked for, so that nothing is dropped in silence. `null` counts as absent, as in the Kubernetes API.
 */
export class FieldReader {
  readonly path: string;
  readonly #fields: JsonObject;
  readonly #findings: Findings;
  readonly #asked = new Set<string>();

  constructor(fields: JsonObject, path: string, findings: Findings) {
    this.#fields = fields;
    this.path = path;
    this.#findings = findings;
  }

  pathOf(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }

  raw(name: string): unknown {
    this.#asked.add(name);
    return this.#fields[name] ?? undefined;
  }

  has(name: string): boolean {
    return (this.#fields[name] ?? undefined) !== undefined;
  }

  refuse(name: string, rule: string, value?: unknown): void {
    this.#findings.refuse(this.pathOf(name), rule, value);
  }

  warn(name: string, rule: string, value?: unknown): void {
    this.#findings.warn(this.pathOf(name), rule, value);
  }

  string(name: string): string | undefined {
    const value = this.raw(name);
    if (value === undefined || typeof value === "string") return value;
    this.refuse(name, "must be a string; put it in quotes", value);
    return undefined;
  }

  boolean(name: string): boolean | undefined {
    const value = this.raw(name);
    if (value === undefined || typeof value === "boolean") return value;
    this.refuse(name, "must be true or false", value);
    return undefined;
  }

  integer(name: string, min: number, max: number): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
    this.refuse(name, `must be a whole number from ${min} to ${max}`, value);
    return undefined;
  }

  /** A whole number, or a name that stands for one, as ports of probes and Services are written. */
  integerOrName(name: string): number | string | undefined {
    const value = this.raw(name);
    if (value === undefined || typeof value === "string" || Number.isInteger(value)) {
      return value as number | string | undefined;
    }
    this.refuse(name, "must be a whole number or a name", value);
    return undefined;
  }

  strings(name: string): string[] {
    const list = this.#list(name);
    return list.filter((entry, index): entry is string => {
      if (typeof entry === "string") return true;
      this.refuse(`${name}[${index}]`, "must be a string; put it in quotes", entry);
      return false;
    });
  }

  /** Labels and annotations. */
  stringMap(name: string): Record<string, string> {
    const value = this.raw(name);
    if (value === undefined) return {};
    if (!isJsonObject(value)) {
      this.refuse(name, "must be a map of strings", value);
      return {};
    }
    const result: Record<string, string> = {};
    for (const [key, entry] of Object.entries(value)) {
      if (typeof entry === "string") result[key] = entry;
      else this.refuse(`${name}[${key}]`, "must be a string; put it in quotes", entry);
    }
    return result;
  }

  object(name: string): FieldReader | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (isJsonObject(value)) return new FieldReader(value, this.pathOf(name), this.#findings);
    this.refuse(name, "must be a map", value);
    return undefined;
  }

  objects(name: string): FieldReader[] {
    return this.#list(name).flatMap((entry, index) => {
      if (isJsonObject(entry)) {
        return [new FieldReader(entry, this.pathOf(`${name}[${index}]`), this.#findings)];
      }
      this.refuse(`${name}[${index}]`, "must be a map", entry);
      return [];
    });
  }

  /** These fields are understood elsewhere, or mean nothing here. */
  skip(...fieldNames: readonly string[]): void {
    for (const name of fieldNames) this.#asked.add(name);
  }

  /** Names of the fields that are set and that nobody asked for. */
  unread(): string[] {
    return Object.keys(this.#fields).filter((name) => !this.#asked.has(name) && this.has(name));
  }

  /** Names every field that nobody asked for. */
  warnUnread(rule: string): void {
    for (const name of this.unread()) this.warn(name, rule);
  }

  #list(name: string): readonly unknown[] {
    const value = this.raw(name);
    if (value === undefined) return [];
    if (Array.isArray(value)) return value;
    this.refuse(name, "must be a list", value);
    return [];
  }
}
