import { parseSettings, SettingsError, type SettingsProblem, type SettingsSource } from "@sluice/kit";
import { findMetricsTlsProblem, toMetricsEndpoint } from "./metrics/metrics-endpoint.ts";
import { toCollectorUrl } from "./open-telemetry/collector-url.ts";
import { sidecarSettings, type SidecarSettings } from "./settings.ts";

/** Throws SettingsError with every problem of single settings, or else with those of settings taken together. */
export function readSidecarSettings(source: SettingsSource): SidecarSettings {
  const settings = parseSettings(sidecarSettings, source);
  const problems = [
    findMetricsTlsProblem(settings),
    findConfigProblem(() => checkMetrics(settings)),
    findConfigProblem(() => checkTraces(settings)),
  ].filter((problem) => problem !== undefined);
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
}

function checkMetrics(settings: SidecarSettings): void {
  const { protocol } = settings.observability.requestMetrics;
  if (protocol === "prometheus") toMetricsEndpoint(settings);
  else if (protocol !== "none") toCollectorUrl(settings, "metrics");
}

function checkTraces(settings: SidecarSettings): void {
  const { protocol } = settings.observability.tracing;
  if (protocol === "grpc" || protocol === "http/protobuf") toCollectorUrl(settings, "traces");
}

function findConfigProblem(check: () => void): SettingsProblem | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return { name: "OBSERVABILITY_CONFIG", rule: error instanceof Error ? error.message : String(error) };
  }
}
