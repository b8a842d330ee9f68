import { defineSettings, logLevels, parseSettings, type Settings, type SettingsSource } from "@sluice/kit";

/** Every setting of the aggregator's process; how revisions scale is in `config-autoscaler` and annotations. */
export const aggregatorSettings = defineSettings({
  name: {
    variable: "POD_NAME",
    kind: "text",
    default: "aggregator-0",
    summary: "Name of this aggregator, as the feed names it; shares out revisions among several.",
  },
  podIp: {
    variable: "POD_IP",
    kind: "text",
    default: "127.0.0.1",
    summary: "Address under which others reach it.",
  },
  feed: {
    variable: "SLUICE_FEED",
    kind: "text",
    required: true,
    summary: "URL of the platform's feed, or a YAML file of the same objects.",
  },
  bindAddress: {
    variable: "SLUICE_BIND_ADDRESS",
    kind: "text",
    default: "127.0.0.1",
    summary: "Address to listen on; loopback, so that nobody else reaches it unless asked for.",
  },
  port: {
    variable: "SLUICE_PORT",
    kind: "port",
    default: 8003,
    summary: "Scale endpoint, stats WebSocket, metrics and health.",
  },
  configFolder: {
    variable: "SLUICE_AUTOSCALER_CONFIG",
    kind: "folder",
    summary: "Folder with one file per config-autoscaler key; without it Knative's defaults hold.",
  },
  stateFolder: {
    variable: "SLUICE_STATE_DIR",
    kind: "text",
    summary: "Folder in which windows are kept over a restart; without it a restart begins with empty ones.",
  },
  grpcPort: {
    variable: "SLUICE_GRPC_PORT",
    kind: "port",
    summary: "KEDA's external scaler protocol over gRPC; without a port it is off, since it knows no token.",
  },
  tokenFile: {
    variable: "SLUICE_TOKEN_FILE",
    kind: "file",
    summary: "File with the token that feed, stats and scale endpoint need; read again at each use.",
  },
  certificateFolder: {
    variable: "SLUICE_CERTIFICATE_FOLDER",
    kind: "folder",
    summary:
      "Folder with tls.crt and tls.key, which makes the port speak https only, and ca.crt, by which feed and other aggregators are judged.",
  },
  certificateName: {
    variable: "SLUICE_CERTIFICATE_NAME",
    kind: "text",
    default: "sluice-aggregator",
    summary:
      "Name that the certificates of aggregators must carry, which are reached by their addresses and not by name.",
  },
  logLevel: {
    variable: "SLUICE_LOG_LEVEL",
    kind: "oneOf",
    choices: logLevels,
    default: "info",
    summary: "Least level of log lines.",
  },
});

export type AggregatorSettings = Settings<typeof aggregatorSettings>;

/** Throws SettingsError with every problem. */
export function readAggregatorSettings(source: SettingsSource): AggregatorSettings {
  return parseSettings(aggregatorSettings, source);
}
