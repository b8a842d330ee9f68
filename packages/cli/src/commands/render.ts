import { defaultSidecarImage, renderManifest } from "@sluice/manifest";
import { InvalidArgumentError, Option, type Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { joinStream, printWarnings, refuseProblems } from "../kubernetes-text.ts";
import { readManifestTexts } from "../manifest-files.ts";

interface Options {
  readonly filename: string[];
  readonly image: string;
  readonly domain: string[];
  readonly generation?: number;
  readonly routes: "none" | "ingress" | "gateway";
  readonly ingressClass?: string;
  readonly gateway: string;
  readonly namespace: string;
}

function parseGeneration(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("must be a whole number from 1 to 999999");
}

export function addRenderCommand(program: Command, context: CommandContext): void {
  program
    .command("render")
    .description("turn Knative Services into Deployments, Services and routes; prints them")
    .requiredOption("-f, --filename <path...>", "manifests, folders of them, or - for standard input")
    .option("--image <image>", "image of the sidecar", defaultSidecarImage)
    .option("--domain <domain...>", "domains under which services get hosts", ["example.com"])
    .option(
      "--generation <number>",
      "names the revision {service}-{number}; without it the name comes from the content",
      parseGeneration,
    )
    .addOption(
      new Option("--routes <kind>", "a route for each public host, beside the wildcard that you may have")
        .choices(["none", "ingress", "gateway"])
        .default("none"),
    )
    .option("--ingress-class <name>", "class of the Ingress")
    .option("--gateway <namespace/name>", "the Gateway that routes attach to", "sluice-system/sluice")
    .option("--namespace <name>", "where Sluice is installed", "sluice-system")
    .action((options: Options) => {
      const results = readManifestTexts(options.filename).map(({ text, name }) => {
        const { namespace, domain, ...rest } = options;
        return renderManifest(text, { ...rest, source: name, domains: domain, systemNamespace: namespace });
      });
      refuseProblems(results.flatMap((result) => result.problems));
      for (const result of results) printWarnings(context, result.warnings);
      context.stdout.write(joinStream(results.map((result) => result.text)));
    });
}
