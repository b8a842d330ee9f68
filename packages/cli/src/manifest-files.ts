import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { StartError } from "@sluice/kit";
import type { ImageCommand } from "@sluice/local";
import { parseAllDocuments } from "yaml";
import type { ManifestText } from "./control-client.ts";

/** What the files of `sluice up` say together. */
export interface UpFiles {
  readonly manifests: readonly ManifestText[];
  readonly images: readonly ImageCommand[];
  /** Keys of the ConfigMap `config-autoscaler`. */
  readonly autoscaler: Readonly<Record<string, string>>;
}

const yamlName = /\.ya?ml$/;
const standardInput = "-";

/**
 * Reads manifests from files, folders (every `.yaml` in them, by name) or `-`. A file with `images:` says what images
 * stand for, and a ConfigMap `config-autoscaler` how to scale. Throws StartError.
 */
export function readUpFiles(paths: readonly string[]): UpFiles {
  const manifests: ManifestText[] = [];
  const images: ImageCommand[] = [];
  const autoscaler: Record<string, string> = {};
  for (const manifest of readManifestTexts(paths)) {
    const commands = readImageCommands(manifest);
    const config = readAutoscalerConfig(manifest);
    images.push(...(commands ?? []));
    Object.assign(autoscaler, config);
    if (commands === undefined && config === undefined) manifests.push(manifest);
  }
  return { manifests, images, autoscaler };
}

/** The texts of files, folders or `-`, as they are. Throws StartError for what is not there. */
export function readManifestTexts(paths: readonly string[]): ManifestText[] {
  return paths.flatMap((path) => listFiles(path)).map((file) => readText(file));
}

function listFiles(path: string): string[] {
  if (path === standardInput) return [path];
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new StartError(
      `there is no file or folder ${path}`,
      "check the name, or leave it away to use examples/",
    );
  }
  if (!found.isDirectory()) return [path];
  const files = readdirSync(path).filter((name) => yamlName.test(name));
  if (files.length === 0) throw new StartError(`no .yaml file is in ${path}`, "name a folder with manifests");
  return files.toSorted().map((name) => join(path, name));
}

function readText(file: string): ManifestText {
  if (file === standardInput)
    return { text: readFileSync(0, "utf8"), name: "standard input", folder: process.cwd() };
  return { text: readFileSync(file, "utf8"), name: basename(file), folder: dirname(resolve(file)) };
}

/** Undefined when the file is about something else. */
function readImageCommands(manifest: ManifestText): ImageCommand[] | undefined {
  const content = readOnlyMap(manifest);
  if (content === undefined || !("images" in content)) return undefined;
  const { images } = content;
  if (!Array.isArray(images)) throw toImageError(manifest, "images is not a list");
  return images.map((entry: unknown) => {
    const { image, command } = isMap(entry) ? entry : {};
    if (typeof image !== "string") throw toImageError(manifest, "an entry has no image");
    if (!isTexts(command)) throw toImageError(manifest, `the command of ${image} is not a list of words`);
    return { image, command, folder: manifest.folder };
  });
}

function toImageError(manifest: ManifestText, why: string): StartError {
  return new StartError(
    `${manifest.name}: ${why}`,
    "write entries such as: - { image: example.com/app:*, command: [node, app.mjs] }",
  );
}

/** Undefined when the file is about something else. */
function readAutoscalerConfig(manifest: ManifestText): Record<string, string> | undefined {
  const content = readOnlyMap(manifest);
  const metadata = content?.["metadata"];
  if (content?.["kind"] !== "ConfigMap" || !isMap(metadata) || metadata["name"] !== "config-autoscaler") {
    return undefined;
  }
  const data = isMap(content["data"]) ? content["data"] : {};
  return Object.fromEntries(
    Object.entries(data).flatMap(([key, value]) =>
      // `_example` is the documentation that Knative ships in its ConfigMaps.
      key.startsWith("_") ? [] : [[key, String(value)]],
    ),
  );
}

function readOnlyMap(manifest: ManifestText): Record<string, unknown> | undefined {
  const documents = parseAllDocuments(manifest.text);
  const [document] = documents;
  // What is not valid YAML is reported where manifests are checked, with its line.
  if (documents.length !== 1 || document === undefined || document.errors.length > 0) return undefined;
  const content: unknown = document.toJS();
  return isMap(content) ? content : undefined;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((word) => typeof word === "string");
}
