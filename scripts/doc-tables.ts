import { activatorSettings } from "@sluice/activator";
import { aggregatorSettings } from "@sluice/aggregator";
import { autoscalerConfigKeys, errorCatalogue, formatDuration, scalingAnnotations } from "@sluice/core";
import { printSettingsTable } from "@sluice/kit";
import { platformSettings } from "@sluice/local";
import { sidecarSettings } from "@sluice/sidecar";

/** The tables of the docs that are printed from the code, by the name in their markers. */
const tables: Readonly<Record<string, () => string>> = {
  errors: printErrors,
  "autoscaler-config": printAutoscalerConfig,
  "scaling-annotations": printAnnotations,
  "settings-sidecar": () => printSettingsTable(sidecarSettings),
  "settings-activator": () => printSettingsTable(activatorSettings),
  "settings-aggregator": () => printSettingsTable(aggregatorSettings),
  "settings-platform": () => printSettingsTable(platformSettings),
};

const marker = /<!-- table: ([a-z-]+) -->\n[\s\S]*?<!-- end of table -->/g;

/** `markdown` with every `<!-- table: name -->` … `<!-- end of table -->` as the code has it now. */
export function renderTables(markdown: string): string {
  return markdown.replaceAll(marker, (_, name: string) => {
    const print = tables[name];
    if (print === undefined) throw new RangeError(`there is no table ${name}`);
    return `<!-- table: ${name} -->\n${print().trimEnd()}\n<!-- end of table -->`;
  });
}

function printErrors(): string {
  const rows = Object.entries(errorCatalogue).map(
    ([code, { status, origin, retry, body }]) =>
      [`\`${code}\``, status, origin, retry, body === "" ? "" : `\`${body.trimEnd()}\``] as const,
  );
  return printTable(["code", "status", "whose fault", "may be tried again", "body"], rows);
}

function printAutoscalerConfig(): string {
  const rows = Object.entries(autoscalerConfigKeys).map(([field, key]) => [
    `\`${key.key}\``,
    `\`${field.endsWith("Ms") ? formatDuration(Number(key.default)) : key.default}\``,
    key.rule.rule,
    key.meaning,
  ]);
  return printTable(["key", "default", "must be", "what it does"], rows);
}

function printAnnotations(): string {
  const rows = Object.values(scalingAnnotations).map(({ keys, rule, meaning }) => [
    keys.map((key) => `\`${key}\``).join(", "),
    rule.rule,
    meaning,
  ]);
  return printTable(["annotation (and older spellings)", "must be", "what it does"], rows);
}

function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const toLine = (cells: readonly (string | number)[]): string =>
    `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |`;
  return [toLine(head), `|${"---|".repeat(head.length)}`, ...rows.map(toLine)].join("\n");
}
