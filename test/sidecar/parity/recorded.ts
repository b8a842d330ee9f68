import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Outcome } from "./run-group.ts";

export const knativeFile = join(import.meta.dirname, "recorded", "knative.json");
export const differencesFile = join(import.meta.dirname, "recorded", "differences.json");

/** Where we differ on purpose. */
export interface Difference {
  /** The first column of its row in docs/compatibility.md, which has the reason. */
  readonly row: string;
  /** What ours does, by case. */
  readonly cases: Readonly<Record<string, Outcome>>;
}

/** What Knative's queue-proxy did, by case. */
export function readKnative(): Record<string, Outcome> {
  return readJson(knativeFile, {});
}

export function readDifferences(): readonly Difference[] {
  return readJson(differencesFile, []);
}

export function toExplained(differences: readonly Difference[]): ReadonlyMap<string, Outcome> {
  return new Map(differences.flatMap(({ cases }) => Object.entries(cases)));
}

function readJson<Value>(file: string, fallback: Value): Value {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Value) : fallback;
}
