export { type AdminRequest, type AdminRoute } from "./admin-route.ts";
export { AdminServer, type AdminServerOptions } from "./admin-server.ts";
export { answerJson, answerTagged, answerText } from "./answer.ts";
export { Backoff, decideBackoffMs, type BackoffLimits } from "./backoff.ts";
export { createTokenFile, hasToken, readToken, type TokenSource } from "./bearer-token.ts";
export { CertificateFolder, toClientTls, toServerTrust, type ServerTrust } from "./certificate-folder.ts";
export { FeedFile, type FeedFileOptions } from "./feed-file.ts";
export { CounterFamily, CounterSeries, HistogramFamily, HistogramSeries } from "./hot-series.ts";
export { LabelBound, otherLabel } from "./label-bound.ts";
export {
  runStartStages,
  runStopStages,
  StageTimeout,
  waitInStage,
  type Stage,
  type StageContext,
} from "./life-cycle.ts";
export { LineSplitter } from "./line-splitter.ts";
export { listen } from "./listen.ts";
export { createLogger, logLevels, type Logger, type LogLevel, type LogOptions } from "./log.ts";
export { LogOnce } from "./log-once.ts";
export { findLoopbackFault, isLoopback } from "./loopback-guard.ts";
export { addGauge, createMetrics } from "./metrics.ts";
export { openFeed, type OpenFeedOptions } from "./open-feed.ts";
export { runMain, usageExitCode, type Running } from "./run-main.ts";
export { describeDefault, flagOf, type Setting, type SettingValue } from "./setting.ts";
export {
  defineSettings,
  parseSettings,
  printHelp,
  printSettingsTable,
  SettingsError,
  SettingsHelp,
  type Settings,
  type SettingsProblem,
  type SettingsSource,
  type SettingsTable,
} from "./settings.ts";
export { describeStartError, StartError } from "./start-error.ts";
export { WatchClient, type WatchClientOptions } from "./watch-client.ts";
export { WatchHub, type WatchHubOptions } from "./watch-hub.ts";
export type { WatchHandlers, WatchReader, WatchReaderOptions } from "./watch-reader.ts";
/** The metric kinds, so that a process needs no second copy of the library. */
export { Counter, Gauge, Histogram, Registry } from "prom-client";
