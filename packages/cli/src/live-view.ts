import type { RevisionView } from "@sluice/local";
import { formatTable } from "./table.ts";

const head = ["REVISION", "PODS", "DESIRED", "MODE", "IN FLIGHT", "HELD", "REQ/S", ""];

/** One line a revision. */
export function formatLive(revisions: readonly RevisionView[]): string {
  return formatTable(head, revisions.map(toRow));
}

function toRow(view: RevisionView): string[] {
  return [
    view.name,
    `${view.ready}/${view.pods}`,
    view.desired === undefined ? "-" : String(view.desired),
    view.mode,
    view.inFlight.toFixed(1),
    String(Math.round(view.held)),
    view.requestsPerSecond.toFixed(1),
    view.failure === undefined
      ? view.isPanicking
        ? "panic"
        : ""
      : `${view.failure.reason}: ${view.failure.message}`,
  ];
}

const intervalMs = 1000;
/** Without a terminal a line is worth printing when pods changed, and once in a while when only load did. */
const quietMs = 10_000;

export interface LiveViewOptions {
  readonly stdout: NodeJS.WriteStream;
  readonly read: () => readonly RevisionView[];
}

/**
 * Shows what runs. On a terminal one block that is written over each second; elsewhere (a file, a pipe) plain lines,
 * and only when something changed, so that a log stays readable.
 */
export class LiveView {
  readonly #options: LiveViewOptions;
  readonly #lastLines = new Map<
    string,
    { readonly pods: string; readonly load: string; readonly atMs: number }
  >();
  #timer: NodeJS.Timeout | undefined;
  #shownLines = 0;

  constructor(options: LiveViewOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.refresh(), intervalMs);
    this.refresh();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Something to say in between: it stays above the block. */
  notice(text: string): void {
    this.#clear();
    this.#options.stdout.write(`${text}\n`);
    if (this.#timer !== undefined) this.refresh();
  }

  refresh(): void {
    const revisions = this.#options.read();
    if (this.#options.stdout.isTTY) this.#draw(revisions);
    else this.#writeChanges(revisions);
  }

  #draw(revisions: readonly RevisionView[]): void {
    // A terminal that does not say its width says 0.
    const width = this.#options.stdout.columns || 80;
    // A line that the terminal breaks in two would make the block grow with each refresh.
    const lines = formatLive(revisions)
      .split("\n")
      .map((line) => line.slice(0, width - 1));
    this.#clear();
    this.#options.stdout.write(`${lines.join("\n")}\n`);
    this.#shownLines = lines.length;
  }

  #clear(): void {
    if (this.#shownLines > 0) this.#options.stdout.write(`\u001B[${this.#shownLines}A\u001B[0J`);
    this.#shownLines = 0;
  }

  #writeChanges(revisions: readonly RevisionView[]): void {
    const nowMs = performance.now();
    for (const view of revisions) {
      const [name = "", ready, desired, mode, inFlight, held, rate, note] = toRow(view);
      const pods = [ready, desired, mode, note].join(" ");
      const load = [inFlight, held, rate].join(" ");
      const last = this.#lastLines.get(name);
      const isNews =
        last === undefined || last.pods !== pods || (last.load !== load && nowMs - last.atMs >= quietMs);
      if (!isNews) continue;
      this.#lastLines.set(name, { pods, load, atMs: nowMs });
      this.#options.stdout.write(
        `${new Date().toISOString()} ${name}: pods ${ready}, desired ${desired}, ${mode}, in flight ${inFlight}, held ${held}, ${rate} req/s${note === "" ? "" : `, ${note}`}\n`,
      );
    }
  }
}
