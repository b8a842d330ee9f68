import { delimiter, isAbsolute, resolve } from "node:path";
import type { RevisionTemplate } from "@sluice/manifest";
import { findImageCommand, type ImageCommand } from "./image-command.ts";

/** One container of a pod as a program of this machine. */
export interface LaunchPlan {
  readonly container: string;
  readonly isServing: boolean;
  readonly command: string;
  readonly args: readonly string[];
  readonly workingDirectory: string;
  /** Of the manifest alone; the pod adds its own. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface LaunchContext {
  readonly images: readonly ImageCommand[];
  /** Where a manifest's own relative commands run: the folder of the manifest. */
  readonly folder: string;
  readonly findExecutable: (command: string, folder: string) => string | undefined;
}

export type LaunchResult =
  | { readonly plans: readonly LaunchPlan[] }
  | { readonly problems: readonly string[] };

/**
 * How each container is started: its own `command` and `args` win over what its image stands for, as in Kubernetes
 * (`args` alone keep the image's command).
 */
export function planLaunch(template: RevisionTemplate, context: LaunchContext): LaunchResult {
  const plans: LaunchPlan[] = [];
  const problems: string[] = [];
  for (const container of template.containers) {
    const known = findImageCommand(context.images, container.image);
    const [command, ...args] = container.command.length > 0 ? container.command : (known?.command ?? []);
    if (command === undefined) {
      problems.push(
        `no command is known for image ${container.image}; give the container a command, or add the image to the file of --images`,
      );
      continue;
    }
    const isOwn = container.command.length > 0;
    const base = isOwn || known === undefined ? context.folder : known.folder;
    const workingDirectory = container.workingDir === undefined ? base : resolve(base, container.workingDir);
    const executable = context.findExecutable(command, workingDirectory);
    if (executable === undefined) {
      problems.push(
        `${command}, the command of image ${container.image}, is not found or cannot be executed`,
      );
      continue;
    }
    plans.push({
      container: container.name === "" ? "app" : container.name,
      isServing: container === template.serving,
      command: executable,
      args: [...args, ...container.args],
      workingDirectory,
      environment: Object.fromEntries(container.env.map(({ name, value }) => [name, value])),
    });
  }
  return problems.length > 0 ? { problems } : { plans };
}

/**
 * Looks a command up as a shell would. `node` is always the Node that runs this process, so that samples and apps
 * do not depend on what is installed.
 */
export function createExecutableFinder(
  searchPath: string,
  canExecute: (file: string) => boolean,
): LaunchContext["findExecutable"] {
  return (command, folder) => {
    if (command === "node") return process.execPath;
    if (command.includes("/")) {
      const file = isAbsolute(command) ? command : resolve(folder, command);
      return canExecute(file) ? file : undefined;
    }
    return searchPath
      .split(delimiter)
      .map((entry) => resolve(entry, command))
      .find(canExecute);
  };
}
