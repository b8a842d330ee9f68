import { defaultSidecarImage, injectSidecar, removeSidecar, type InjectOptions } from "@sluice/manifest";
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
      const sources = readManifestTexts(options.filename);
      const result =
        options.undo === true ? removeSidecar(sources) : injectSidecar(sources, toOptions(options));
      refuseProblems(result.problems);
      printWarnings(context, result.warnings);
      const { changed } = result;
      context.stderr.write(changed.length === 0 ? "nothing to change\n" : `changed: ${changed.join(", ")}\n`);
      context.stdout.write(joinStream(result.texts));
    });
}

function toOptions({ image, all, trustedPeers }: Options): InjectOptions {
  return {
    image,
    all: all === true,
    ...(trustedPeers === undefined ? {} : { environment: { SLUICE_TRUSTED_PEERS: trustedPeers } }),
  };
}
