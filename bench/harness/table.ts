/** Figures with their heading; a cell that was not measured is undefined. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** Sentences under the table: what was left out and why, ratios. */
  readonly notes: readonly string[];
}

export type Cell = string | number | undefined;

/** Markdown, so that a run can be pasted into the docs. */
export function printTable(table: Table): string {
  const texts = [table.columns, ...table.rows.map((row) => row.map(printCell))];
  const widths = table.columns.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)));
  const lines = texts.map(
    (row) => `| ${row.map((text, column) => pad(text, widths[column] ?? 0, column > 0)).join(" | ")} |`,
  );
  const rule = `|${widths.map((width, column) => (column > 0 ? `${"-".repeat(width + 1)}:` : "-".repeat(width + 2))).join("|")}|`;
  lines.splice(1, 0, rule);
  return [`### ${table.title}`, "", ...lines, "", ...table.notes.map((note) => `- ${note}`), ""].join("\n");
}

function printCell(cell: Cell): string {
  if (cell === undefined) return "–";
  if (typeof cell === "string") return cell;
  if (Number.isInteger(cell) || Math.abs(cell) >= 1000) return Math.round(cell).toLocaleString("en-US");
  return cell.toFixed(Math.abs(cell) < 10 ? 2 : 1);
}

function pad(text: string, width: number, isRight: boolean): string {
  return isRight ? text.padStart(width) : text.padEnd(width);
}
