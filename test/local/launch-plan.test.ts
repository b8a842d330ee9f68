import { readManifest, type RevisionTemplate } from "@sluice/manifest";
import { expect, test } from "vitest";
import { findImageCommand, type ImageCommand } from "../../packages/local/src/image-command.ts";
import { createExecutableFinder, planLaunch } from "../../packages/local/src/launch-plan.ts";

const images: readonly ImageCommand[] = [
  { image: "example.com/app:special", command: ["special"], folder: "/images" },
  { image: "example.com/app:*", command: ["run", "app"], folder: "/images" },
];

function parseTemplate(container: string): RevisionTemplate {
  const text = [
    "apiVersion: serving.knative.dev/v1",
    "kind: Service",
    "metadata: { name: hello }",
    `spec: { template: { spec: { containers: [${container}] } } }`,
  ].join("\n");
  const { workloads, problems } = readManifest(text, { platform: "local" });
  expect(problems).toEqual([]);
  const [workload] = workloads;
  if (workload === undefined) throw new Error("no workload");
  return workload.template;
}

/** Every command exists, under /bin. */
const context = { images, folder: "/manifests", findExecutable: (command: string) => `/bin/${command}` };

test.each([
  { name: "by a pattern", image: "example.com/app:07", expected: ["run", "app"] },
  { name: "by the first that matches", image: "example.com/app:special", expected: ["special"] },
  { name: "not at all", image: "example.com/other:1", expected: undefined },
  { name: "not by a part of it", image: "docker.io/example.com/app:1", expected: undefined },
])("an image's command is found $name", ({ image, expected }) => {
  expect(findImageCommand(images, image)?.command).toEqual(expected);
});

test.each([
  {
    name: "what the image stands for, in the folder of that file",
    container: "{ image: 'example.com/app:1' }",
    expected: { command: "/bin/run", args: ["app"], workingDirectory: "/images" },
  },
  {
    name: "the manifest's own command, in the manifest's folder",
    container: "{ image: 'example.com/app:1', command: [mine, a], args: [b] }",
    expected: { command: "/bin/mine", args: ["a", "b"], workingDirectory: "/manifests" },
  },
  {
    name: "the image's command with the manifest's arguments",
    container: "{ image: 'example.com/app:1', args: [b] }",
    expected: { command: "/bin/run", args: ["app", "b"], workingDirectory: "/images" },
  },
  {
    name: "in the working directory that the manifest names",
    container: "{ image: x, command: [mine], workingDir: sub }",
    expected: { command: "/bin/mine", args: [], workingDirectory: "/manifests/sub" },
  },
])("a container runs $name", ({ container, expected }) => {
  const result = planLaunch(parseTemplate(container), context);
  expect("plans" in result && result.plans).toMatchObject([expected]);
});

test("an image without a command, and a command that is not there, are refused by name", () => {
  const withoutCommand = planLaunch(parseTemplate("{ image: 'example.com/other:1' }"), context);
  const withoutFile = planLaunch(parseTemplate("{ image: x, command: [nothere] }"), {
    ...context,
    findExecutable: () => undefined,
  });
  expect(withoutCommand).toEqual({
    problems: [expect.stringContaining("no command is known for image example.com/other:1")],
  });
  expect(withoutFile).toEqual({ problems: [expect.stringContaining("nothere")] });
});

test.each([
  { name: "node is the Node that runs us", command: "node", expected: process.execPath },
  { name: "a name is looked up on the path", command: "tool", expected: "/second/tool" },
  { name: "a relative file is looked up from the folder", command: "./app", expected: "/folder/app" },
  { name: "what cannot be executed is not found", command: "/nowhere/app", expected: undefined },
])("$name", ({ command, expected }) => {
  const executable = new Set(["/second/tool", "/folder/app"]);
  const find = createExecutableFinder("/first:/second", (file) => executable.has(file));
  expect(find(command, "/folder")).toBe(expected);
});
