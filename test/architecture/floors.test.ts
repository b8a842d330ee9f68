import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const packagesFolder = join(import.meta.dirname, "..", "..", "packages");

/** Imports go down only; packages of floor 2 never import one another (docs/architecture.md). */
const floors: Readonly<Record<string, number>> = {
  core: 0,
  kit: 1,
  dataplane: 1,
  manifest: 1,
  sidecar: 2,
  activator: 2,
  aggregator: 2,
  scaler: 2,
  local: 3,
  cli: 4,
};

interface Edge {
  file: string;
  specifier: string;
}

function sourceFiles(name: string): string[] {
  const source = join(packagesFolder, name, "src");
  return readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(source, file));
}

function readEdges(file: string): Edge[] {
  const text = readFileSync(file, "utf8");
  const matches = text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g);
  return [...matches].map((match) => ({ file, specifier: match[1] ?? "" }));
}

/** Why an import may not be there, or undefined when it may. */
function findFault(name: string, edge: Edge): string | undefined {
  const source = join(packagesFolder, name, "src");
  if (edge.specifier.startsWith(".")) {
    const target = resolve(dirname(edge.file), edge.specifier);
    return relative(source, target).startsWith("..") ? "reaches into another package's files" : undefined;
  }
  if (!edge.specifier.startsWith("@sluice/")) return undefined;
  const [, target = "", inner] = edge.specifier.split("/");
  if (inner !== undefined) return "reaches into another package's inner file";
  const from = floors[name] ?? -1;
  const to = floors[target];
  if (to === undefined) return "names a package that has no floor";
  return to < from ? undefined : `floor ${from} imports floor ${to}`;
}

describe("floors", () => {
  test("every package has a floor", () => {
    expect(readdirSync(packagesFolder).toSorted()).toEqual(Object.keys(floors).toSorted());
  });

  test.each(Object.keys(floors))("%s imports only what is below it", (name) => {
    const faults = sourceFiles(name).flatMap((file) =>
      readEdges(file)
        .map((edge) => ({ edge, fault: findFault(name, edge) }))
        .filter(({ fault }) => fault !== undefined)
        .map(
          ({ edge, fault }) => `${relative(packagesFolder, edge.file)} imports ${edge.specifier}: ${fault}`,
        ),
    );
    expect(faults).toEqual([]);
  });
});
