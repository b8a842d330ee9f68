import { defaultSidecarImage, injectSidecar, removeSidecar, type InjectResult } from "@sluice/manifest";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { joinStream, printWarnings, refuseProblems } from "../kubernetes-text.ts";
import { readManifestTexts } from "../manifest-files.ts";

interface Options {
  readonly filename: string[];
  readonly image: string;
  readonly trustedPeers?: string;
  readonly all?: boolean;
  readonly undo?: boolean;
}

export function addInjectCommand(program: Command, context: CommandContext): void {
  program
    .command("inject")
    .description("add the sidecar to Deployments, and point their Services at it; prints the manifests")
    .requiredOption("-f, --filename <path...>", "manifests, folders of them, or - for standard input")
    .option("--image <image>", "image of the sidecar", defaultSidecarImage)
    .option("--trusted-peers <addresses>", "addresses and ranges that may set internal headers, with commas")
    .option("--all", "every Deployment, not only those with the annotation sluice.dev/enabled")
    .option("--undo", "take the sidecar out again")
    .action((options: Options) => {
      const results = readManifestTexts(options.filename).map(({ text, name }) => run(text, name, options));
      refuseProblems(results.flatMap((result) => result.problems));
      for (const result of results) printWarnings(context, result.warnings);
      const changed = results.flatMap((result) => result.changed);
      context.stderr.write(changed.length === 0 ? "nothing to change\n" : `changed: ${changed.join(", ")}\n`);
      context.stdout.write(joinStream(results.map((result) => result.text)));
    });
}

function run(text: string, source: string, options: Options): InjectResult {
  if (options.undo === true) return removeSidecar(text, source);
  const { trustedPeers } = options;
  return injectSidecar(text, {
    image: options.image,
    source,
    all: options.all === true,
    ...(trustedPeers === undefined ? {} : { environment: { SLUICE_TRUSTED_PEERS: trustedPeers } }),
  });
}
