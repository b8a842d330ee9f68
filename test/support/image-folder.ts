import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

export interface Instruction {
  readonly word: string;
  readonly rest: string;
}

export interface Stage {
  readonly name: string;
  readonly from: string;
  readonly instructions: Instruction[];
}

export const dockerfileText = readFileSync(join(root, "docker", "Dockerfile"), "utf8");

/** The instructions of the Dockerfile, one line each. */
export const dockerfileLines = dockerfileText
  .replaceAll("\\\n", " ")
  .split("\n")
  .map((line) => line.trim())
  .filter((line) => line !== "" && !line.startsWith("#"));

export function readStages(): Stage[] {
  const stages: Stage[] = [];
  for (const line of dockerfileLines) {
    const [word = "", ...rest] = line.split(/\s+/);
    const from = /^FROM (\S+) AS (\S+)$/.exec(line);
    if (from !== null) stages.push({ name: from[2] ?? "", from: from[1] ?? "", instructions: [] });
    else stages.at(-1)?.instructions.push({ word, rest: rest.join(" ") });
  }
  return stages;
}

/** Everything that the stages of a target do, from the base image on. */
export function instructionsOf(target: string): Instruction[] {
  const stage = readStages().find(({ name }) => name === target);
  return stage === undefined ? [] : [...instructionsOf(stage.from), ...stage.instructions];
}

/** `libc.so.6` → where this machine has it. */
function readLibraries(program: string): Map<string, string> {
  const output = execFileSync("ldd", [program], { encoding: "utf8" });
  return new Map(
    [...output.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => [basename(path), path] as const),
  );
}

/** What stands at a path of the build stage, after its own instructions: file names and where they are here. */
function findBuilt(path: string): [string, string][] {
  if (path === "/usr/local/bin/node") return [["node", process.execPath]];
  if (path === "/runtime/lib/") {
    return [...readLibraries(process.execPath)].filter(([name]) => name.startsWith("libatomic"));
  }
  const bundle = /^\/src\/dist\/([a-z-]+\.mjs)$/.exec(path)?.[1];
  if (bundle === undefined) throw new Error(`nothing makes ${path} in the build stage`);
  return [[bundle, join(root, "dist", bundle)]];
}

function copyInto(folder: string, target: string, built: readonly [string, string][]): void {
  for (const [name, source] of built) {
    const file = join(folder, target.endsWith("/") ? join(target, name) : target);
    mkdirSync(dirname(file), { recursive: true });
    copyFileSync(source, file);
  }
}

/** Libraries of `gcr.io/distroless/cc`; on another distribution they have the same names. */
const baseLibraries =
  /^(?:ld-linux-.*\.so\.\d|libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|librt\.so\.1|libgcc_s\.so\.1|libstdc\+\+\.so\.6)$/;

/**
 * Makes the files of an image's target in `folder`: what its COPY instructions name, from this machine, on top of the
 * libraries that the base image has. Throws when an instruction copies what nothing makes.
 */
export function assembleImage(target: string, folder: string): void {
  for (const { word, rest } of instructionsOf(target)) {
    if (word !== "COPY") continue;
    const [from, ...paths] = rest.split(" ");
    const to = paths.pop();
    if (from !== "--from=build" || to === undefined)
      throw new Error(`COPY ${rest} is not from the build stage`);
    for (const path of paths) copyInto(folder, to, findBuilt(path));
  }
  for (const [name, path] of readLibraries(process.execPath)) {
    if (!baseLibraries.test(name)) continue;
    copyInto(folder, path, [[name, path]]);
  }
}

/** Every file of a folder with its size in bytes. */
export function listSizes(folder: string): Map<string, number> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return new Map(files.toSorted().map((name) => [`/${name}`, statSync(join(folder, name)).size]));
}

/** The words of an instruction in its JSON form, such as CMD. */
export function wordsOf(target: string, instruction: string): string[] {
  const { rest } = instructionsOf(target).findLast(({ word }) => word === instruction) ?? { rest: "[]" };
  return JSON.parse(rest) as string[];
}

/** What the ENV instructions of a target set. */
export function environmentOf(target: string): Record<string, string> {
  const words = instructionsOf(target).flatMap(({ word, rest }) => (word === "ENV" ? rest.split(" ") : []));
  return Object.fromEntries(words.map((pair) => [pair.split("=")[0] ?? "", pair.split("=")[1] ?? ""]));
}
