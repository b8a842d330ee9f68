import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readUpFiles } from "../../packages/cli/src/manifest-files.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-test-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

test("the examples are the article's two services, their commands, and its autoscaler", () => {
  const files = readUpFiles([join(import.meta.dirname, "..", "..", "examples")]);
  expect(files.manifests.map(({ name }) => name)).toEqual(["autoscale-go.yaml", "helloworld-go.yaml"]);
  expect(files.images.map(({ command }) => command)).toEqual([
    ["node", "apps/simple-app.mjs"],
    ["node", "apps/autoscale-app.mjs"],
  ]);
  expect(files.autoscaler).toEqual({
    "container-concurrency-target-percentage": "100",
    "allow-zero-initial-scale": "true",
    "initial-scale": "0",
  });
});

test("a folder's files are told apart by what they say", () => {
  write("b.yaml", "kind: Service\nmetadata: { name: b }");
  write("commands.yml", "images:\n  - { image: 'x:*', command: [run, it] }");
  write(
    "config.yaml",
    "kind: ConfigMap\nmetadata: { name: config-autoscaler }\ndata: { stable-window: 6s, _example: no }",
  );
  write("notes.txt", "not ours");
  const files = readUpFiles([folder]);
  expect(files.manifests).toEqual([{ text: "kind: Service\nmetadata: { name: b }", name: "b.yaml", folder }]);
  expect(files.images).toEqual([{ image: "x:*", command: ["run", "it"], folder }]);
  expect(files.autoscaler).toEqual({ "stable-window": "6s" });
});

test.each([
  {
    name: "a file that is not there",
    path: () => join(folder, "none.yaml"),
    message: "there is no file or folder",
  },
  { name: "a folder without manifests", path: () => folder, message: "no .yaml file is in" },
  {
    name: "an image without a command",
    path: () => write("images.yaml", "images: [{ image: x }]"),
    message: "images.yaml: the command of x is not a list of words",
  },
  {
    name: "images that are no list",
    path: () => write("images.yaml", "images: x"),
    message: "images is not a list",
  },
])("$name is refused by name", ({ path, message }) => {
  expect(() => readUpFiles([path()])).toThrow(message);
});

test("a file that is no YAML is left to the check of manifests, which names the line", () => {
  const path = write("broken.yaml", "a: [");
  expect(readUpFiles([path]).manifests.map(({ name }) => name)).toEqual(["broken.yaml"]);
});
