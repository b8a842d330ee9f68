import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readDocTables, renderTables } from "../../scripts/doc-tables.ts";

const folder = join(import.meta.dirname, "..", "..", "docs");
const tables = await readDocTables();
const pages = readdirSync(folder).filter((file) => file.endsWith(".md"));

describe("the docs say what the code says", () => {
  test.each(pages)("%s has the tables that the code prints (npm run docs)", (page) => {
    const markdown = readFileSync(join(folder, page), "utf8");
    expect(renderTables(markdown, tables)).toBe(markdown);
  });

  test("a marker for a table that does not exist is an error", () => {
    expect(() => renderTables("<!-- table: nothing -->\n<!-- end of table -->", tables)).toThrow(
      "there is no table nothing",
    );
  });
});
