import type { PodView, RevisionView, ServiceView } from "@sluice/local";
import { Argument, type Command } from "commander";
import { jsonOption, printJson, runtimeDirOption, type CommandContext } from "../command-context.ts";
import { openControl, type ControlClient } from "../control-client.ts";
import { formatAge, formatTable } from "../table.ts";

interface Options {
  readonly runtimeDir?: string;
  readonly json?: boolean;
}

const kinds = ["services", "revisions", "pods"] as const;
type Kind = (typeof kinds)[number];

export function addGetCommand(program: Command, context: CommandContext): void {
  program
    .command("get")
    .description("show what runs")
    .addArgument(new Argument("<kind>", "what to show").choices(kinds))
    .option(...runtimeDirOption)
    .option(...jsonOption)
    .action(async (kind: Kind, options: Options) => {
      const control = openControl(options.runtimeDir, context.environment);
      if (options.json === true) printJson(context.stdout, await control[kind]());
      else context.stdout.write(`${await formatKind[kind](control, Date.now())}\n`);
    });
}

const formatKind: Readonly<Record<Kind, (control: ControlClient, nowMs: number) => Promise<string>>> = {
  services: async (control) => formatServices(await control.services()),
  revisions: async (control) => formatRevisions(await control.revisions()),
  pods: async (control, nowMs) => formatPods(await control.pods(), nowMs),
};

export function formatServices(services: readonly ServiceView[]): string {
  if (services.length === 0) return "no services; create one with: sluice apply -f service.yaml";
  return formatTable(
    ["NAME", "DOMAIN", "URL", "LATEST", "PODS", ""],
    services.map((service) => [
      service.name,
      service.host,
      service.url,
      service.latestRevision,
      `${service.ready}/${service.pods}`,
      service.failure === undefined ? "" : `${service.failure.reason}: ${service.failure.message}`,
    ]),
  );
}

export function formatRevisions(revisions: readonly RevisionView[]): string {
  if (revisions.length === 0) return "no revisions; create a service with: sluice apply -f service.yaml";
  return formatTable(
    ["NAME", "SERVICE", "PODS", "DESIRED", "MODE", "IN FLIGHT", "HELD", "REQ/S", "REASON"],
    revisions.map((revision) => [
      revision.name,
      revision.service,
      `${revision.ready}/${revision.pods}`,
      revision.desired === undefined ? "-" : String(revision.desired),
      revision.mode,
      revision.inFlight.toFixed(1),
      String(Math.round(revision.held)),
      revision.requestsPerSecond.toFixed(1),
      revision.failure === undefined
        ? revision.reason
        : `${revision.failure.reason}: ${revision.failure.message}`,
    ]),
  );
}

export function formatPods(pods: readonly PodView[], nowMs: number): string {
  if (pods.length === 0) return "no pods: every service is at zero; a request brings one up";
  return formatTable(
    ["NAME", "READY", "STATUS", "ADDRESS", "AGE", ""],
    pods.map((pod) => [
      pod.name,
      // App and sidecar, as the article counts them.
      pod.state === "ready"
        ? `${Object.keys(pod.processes).length}/${Object.keys(pod.processes).length}`
        : "0/2",
      pod.state,
      `${pod.address}:${pod.port}`,
      formatAge(Date.parse(pod.startedAt), nowMs),
      pod.failure === undefined ? "" : `${pod.failure.reason}: ${pod.failure.message}`,
    ]),
  );
}
