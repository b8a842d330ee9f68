import { destination, pino, type DestinationStream, type Logger as PinoLogger } from "pino";

/** JSON lines, one an event. `logger.child({ revision })` is cheap: its fields are serialised once. */
export type Logger = PinoLogger;

export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogOptions {
  /** The process: `activator`, `sidecar`. */
  readonly name: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Fields of every line, such as the pod's name. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Default standard output. */
  readonly stream?: DestinationStream;
}

/** Lines that wait for a reader of standard output that is slow; beyond it they are dropped. */
const maxBufferedBytes = 4 * 1024 * 1024;

/**
 * A logger that never makes a request wait: lines are written in the background and dropped when nobody reads them.
 * What is still buffered is written when the process exits; `flushLog` before it keeps the lines in order.
 */
export function createLogger(options: LogOptions): Logger {
  const stream =
    options.stream ?? destination({ fd: 1, sync: false, minLength: 1, maxLength: maxBufferedBytes });
  return pino(
    {
      name: options.name,
      level: options.level ?? "info",
      base: { ...options.fields },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      // Causes and stacks of errors, also of those under the name `error`.
      errorKey: "error",
    },
    stream,
  );
}

/** Waits until everything is written, at most a second: a reader that blocks must not keep a process from ending. */
export function flushLog(log: Logger): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 1000);
    log.flush(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
