import { StartError } from "@sluice/kit";
import { formatProblem, type Problem } from "@sluice/manifest";
import type { CommandContext } from "./command-context.ts";

/** Manifests go to standard output, so whatever is for people goes to standard error. */
export function printWarnings(context: CommandContext, warnings: readonly Problem[]): void {
  for (const warning of warnings) context.stderr.write(`warning: ${formatProblem(warning)}\n`);
}

/** Throws StartError with every problem; nothing was printed, so nothing is applied by what comes after a pipe. */
export function refuseProblems(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const lines = problems.map(formatProblem).join("; ");
  throw new StartError(lines, "mend the manifest and run the command again; nothing was changed");
}

/** Texts as one YAML stream; a single one stays as it is, letter by letter. */
export function joinStream(texts: readonly string[]): string {
  return texts
    .map((text, index) => (index === 0 || text.startsWith("---") ? text : `---\n${text}`))
    .map((text, index) => (index === texts.length - 1 || text.endsWith("\n") ? text : `${text}\n`))
    .join("");
}
