import { createLogger, type Logger, type LogLevel } from "@sluice/kit";
import type { SidecarSettings } from "./settings.ts";

/** zap's level names, which Knative's configuration uses. */
const levels: Readonly<Record<string, LogLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warn",
  warning: "warn",
  error: "error",
  dpanic: "fatal",
  panic: "fatal",
  fatal: "fatal",
};

export function createSidecarLogger(settings: SidecarSettings): Logger {
  const level = levels[settings.loggingLevel || readZapLevel(settings.loggingConfig)] ?? "info";
  const fields = { pod: settings.pod, revision: `${settings.namespace}/${settings.revision}` };
  return createLogger({ name: "sidecar", level, fields });
}

/** zap's own configuration file names a level; anything else in it has no meaning here. */
function readZapLevel(config: string): string {
  return /"level"\s*:\s*"(\w+)"/.exec(config)?.[1] ?? "";
}
