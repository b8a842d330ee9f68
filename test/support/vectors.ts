import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ownCopy = join(import.meta.dirname, "..", "vectors");
/** Where the recordings are kept when the project lies beside them. */
const recorded = join(import.meta.dirname, "..", "..", "..", "shared", "vectors");

/** The folder of recorded answers: the variable `VECTORS`, else the recordings, else the project's own copy. */
const folder = resolve(process.env["VECTORS"] ?? (existsSync(recorded) ? recorded : ownCopy));

export function readVectors(file: string): unknown {
  return JSON.parse(readFileSync(join(folder, file), "utf8"));
}
