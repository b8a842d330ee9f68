import { createLogger, type Logger } from "@sluice/kit";

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface RecordingLog {
  readonly log: Logger;
  readonly lines: readonly LogLine[];
  /** Messages of one level, in order. */
  readonly messages: (level: string) => readonly string[];
}

/** A real logger whose lines are kept in place of being printed. */
export function createRecordingLog(): RecordingLog {
  const lines: LogLine[] = [];
  const stream = { write: (text: string) => void lines.push(JSON.parse(text) as LogLine) };
  return {
    log: createLogger({ name: "test", level: "debug", stream }),
    lines,
    messages: (level) => lines.filter((line) => line.level === level).map((line) => line.msg),
  };
}
