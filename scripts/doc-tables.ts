import { activatorSettings } from "@sluice/activator";
import { aggregatorSettings } from "@sluice/aggregator";
import { autoscalerConfigKeys, errorCatalogue, formatDuration, scalingAnnotations } from "@sluice/core";
import { printSettingsTable } from "@sluice/kit";
import { platformSettings } from "@sluice/local";
import { scalerSettings } from "@sluice/scaler";
import { sidecarSettings } from "@sluice/sidecar";
import { readMetricTables } from "./metric-tables.ts";

/** Tables by the name in their markers. */
export type DocTables = Readonly<Record<string, string>>;

/** The tables of the docs that are printed from the code. */
export async function readDocTables(): Promise<DocTables> {
  return {
    errors: printErrors(),
    "autoscaler-config": printAutoscalerConfig(),
    "scaling-annotations": printAnnotations(),
    "settings-sidecar": printSettingsTable(sidecarSettings),
    "settings-activator": printSettingsTable(activatorSettings),
    "settings-aggregator": printSettingsTable(aggregatorSettings),
    "settings-scaler": printSettingsTable(scalerSettings),
    "settings-platform": printSettingsTable(platformSettings),
    ...(await readMetricTables()),
  };
}

const marker = /<!-- table: ([a-z-]+) -->\n[\s\S]*?<!-- end of table -->/g;

/** `markdown` with every `<!-- table: name -->` … `<!-- end of table -->` as the code has it now. */
export function renderTables(markdown: string, tables: DocTables): string {
  return markdown.replaceAll(marker, (_, name: string) => {
    const table = tables[name];
    if (table === undefined) throw new RangeError(`there is no table ${name}`);
    return `<!-- table: ${name} -->\n${table.trimEnd()}\n<!-- end of table -->`;
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
