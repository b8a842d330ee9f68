import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let folder: string | undefined;

/** One folder for the whole run; it goes with the process. */
export function temporaryFolder(): string {
  if (folder !== undefined) return folder;
  const created = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  process.on("exit", () => rmSync(created, { recursive: true, force: true }));
  folder = created;
  return created;
}
