import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const header = `# Built from deploy/base by \`npm run deploy\`; do not edit. It has no shared token: install with
#   sluice install | kubectl apply -f -
`;

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}

/** The files of the kustomize base as one stream, in the order in which they should be applied. */
export function buildDeployManifest(root: string): string {
  const folder = join(root, "deploy", "base");
  const { resources } = parse(readFileSync(join(folder, "kustomization.yaml"), "utf8")) as {
    resources: unknown;
  };
  if (!isTexts(resources)) throw new TypeError("deploy/base/kustomization.yaml lists no resources");
  const texts = resources.map((name) => readFileSync(join(folder, name), "utf8").trimEnd());
  return `${header}${texts.join("\n---\n")}\n`;
}
