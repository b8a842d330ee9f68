import { StartError } from "@sluice/kit";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { toInstallation, toRemoval } from "../installation.ts";

interface Options {
  readonly image?: string;
  readonly domain?: string[];
  readonly keepToken?: boolean;
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
    .option("--keep-token", "no new token: for an installation that has one and should go on without a gap")
    .action(({ image, domain, keepToken }: Options) => {
      for (const name of domain ?? []) checkDomain(name);
      const text = toInstallation(readManifest(context), {
        ...(keepToken === true ? {} : { token: randomBytes(tokenBytes).toString("hex") }),
        ...(image === undefined ? {} : { image }),
        ...(domain === undefined ? {} : { domains: domain }),
      });
      context.stdout.write(text);
      context.stderr.write(keepToken === true ? keptToken : newToken);
    });
}

const newToken =
  "apply it with: kubectl apply -f -   (with a new token; for an upgrade take --keep-token, or parts disagree for a minute)\n";
const keptToken = "apply it with: kubectl apply -f -   (the token stays the one that the cluster has)\n";
const domainPattern = /^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

function checkDomain(name: string): void {
  if (domainPattern.test(name)) return;
  throw new StartError(
    `--domain ${name} is no domain`,
    "write one such as apps.example.com, without a wildcard",
  );
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
