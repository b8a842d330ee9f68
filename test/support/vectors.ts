import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** The folder of recorded answers: the variable `VECTORS`, else the project's own copy. */
const folder = resolve(process.env["VECTORS"] ?? join(import.meta.dirname, "..", "vectors"));

export function readVectors(file: string): unknown {
  return JSON.parse(readFileSync(join(folder, file), "utf8"));
}
