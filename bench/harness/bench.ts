import type { Table } from "./table.ts";

export interface BenchOptions {
  /** Length of one measurement under load. */
  readonly seconds: number;
  /** Measurements of each figure, of which the median is shown; each bench has its own default. */
  readonly rounds?: number;
  /** Progress, on standard error. */
  readonly log: (line: string) => void;
}

/** One file in `bench/` exports one of these as `bench`. */
export interface Bench {
  /** One question, as a sentence. */
  readonly question: string;
  /** Ends everything that it started, also when it throws. */
  run(options: BenchOptions): Promise<readonly Table[]>;
}
