import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readDocTables, renderTables } from "./doc-tables.ts";

const tables = await readDocTables();
const folder = join(import.meta.dirname, "..", "docs");
for (const name of readdirSync(folder).filter((file) => file.endsWith(".md"))) {
  const file = join(folder, name);
  const before = readFileSync(file, "utf8");
  const after = renderTables(before, tables);
  if (after === before) continue;
  writeFileSync(file, after);
  process.stdout.write(`docs/${name} brought up to date\n`);
}
