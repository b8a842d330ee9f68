import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { toInstallation, toRemoval } from "../installation.ts";

interface Options {
  readonly image?: string;
  readonly domain?: string[];
}

const tokenBytes = 32;

function readManifest(context: CommandContext): string {
  return readFileSync(join(context.root, "deploy", "sluice.yaml"), "utf8");
}

export function addInstallCommand(program: Command, context: CommandContext): void {
  program
    .command("install")
    .description(
      "print everything that a cluster needs, with a new token: sluice install | kubectl apply -f -",
    )
    .option("--image <image>", "image of every process, for a registry of your own")
    .option("--domain <domain...>", "domains under which services get hosts; default example.com")
    .action(({ image, domain }: Options) => {
      const token = randomBytes(tokenBytes).toString("hex");
      const text = toInstallation(readManifest(context), {
        token,
        ...(image === undefined ? {} : { image }),
        ...(domain === undefined ? {} : { domains: domain }),
      });
      context.stdout.write(text);
      context.stderr.write(
        "apply it with: kubectl apply -f -   (each install makes a new token; processes follow)\n",
      );
    });
}

export function addUninstallCommand(program: Command, context: CommandContext): void {
  program
    .command("uninstall")
    .description("print what to delete: sluice uninstall | kubectl delete --ignore-not-found -f -")
    .action(() => {
      context.stdout.write(toRemoval(readManifest(context)));
      context.stderr.write("take the sidecar out of your Deployments with: sluice inject --undo\n");
    });
}
