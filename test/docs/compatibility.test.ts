import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { battery } from "../sidecar/parity/battery.ts";

const root = join(import.meta.dirname, "..", "..");
const page = readFileSync(join(root, "docs", "compatibility.md"), "utf8");

interface Row {
  readonly number: string;
  readonly shownBy: string;
}

/** The rows of the table under a heading, by their first and last columns. */
function readRows(heading: string): Row[] {
  const section = page.split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const lines = section
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .slice(1);
  return lines.map((line) => {
    const cells = line.slice(2, -2).split(" | ");
    return { number: cells[0] ?? "", shownBy: cells.at(-1) ?? "" };
  });
}

interface NamedTest {
  readonly file: string;
  /** Part of a test's title; undefined for the whole file. */
  readonly title: string | undefined;
}

/** Reads `` `file`: title; title; `file` `` and leaves out what is said beside it. */
function readTests(shownBy: string): NamedTest[] {
  let file: string | undefined;
  return shownBy.split("; ").flatMap((part) => {
    const named = /^`([\w/-]+)`(?:: (.+))?$/.exec(part);
    if (named === null) return file === undefined ? [] : [{ file, title: part }];
    file = named[1] ?? "";
    return [{ file, title: named[2] }];
  });
}

function isThere({ file, title = "" }: NamedTest): boolean {
  const path = join(root, "test", `${file}.test.ts`);
  if (!existsSync(path)) return false;
  // The battery's titles are its groups' names.
  const titles =
    file === "sidecar/parity/parity"
      ? battery.map(({ name }) => name).join("\n")
      : readFileSync(path, "utf8");
  return titles.includes(title);
}

const surface = readRows("The queue-proxy's surface");
const missed = readRows("The easily missed");

describe("docs/compatibility.md", () => {
  test("has a row for every item of the reference's §1 and §6", () => {
    const sections = new Set(surface.map(({ number }) => number));
    expect([...sections]).toEqual(Array.from({ length: 12 }, (_, index) => `1.${index + 1}`));
    expect(missed.map(({ number }) => number)).toEqual(
      Array.from({ length: 30 }, (_, index) => `${index + 1}`),
    );
  });

  test.each([...surface, ...missed])("$number names tests that exist: $shownBy", ({ shownBy }) => {
    const tests = readTests(shownBy);
    expect(tests).not.toEqual([]);
    expect(tests.filter((each) => !isThere(each))).toEqual([]);
  });
});
