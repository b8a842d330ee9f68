import { defineSettings, logLevels, parseSettings, type Settings, type SettingsSource } from "@sluice/kit";
import { defaultSidecarImage } from "@sluice/manifest";
import { hostname } from "node:os";
import { parseAllowList } from "./host-claims.ts";

export const scalerSettings = defineSettings({
  podName: {
    variable: "POD_NAME",
    kind: "text",
    default: hostname(),
    summary: "Name of this replica, by which the lease knows it.",
  },
  namespace: {
    variable: "POD_NAMESPACE",
    kind: "text",
    default: "sluice-system",
    summary: "Where Sluice is installed: its lease, its Secret, its activators and aggregators.",
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
    default: 8004,
    summary: "Feed, metrics and health.",
  },
  webhookPort: {
    variable: "SLUICE_WEBHOOK_PORT",
    kind: "port",
    summary: "HTTPS port of the admission webhook; without it there is none.",
  },
  webhookService: {
    variable: "SLUICE_WEBHOOK_SERVICE",
    kind: "text",
    default: "sluice-webhook",
    summary:
      "Service under which the API server calls the webhook, and name of its Secret and configuration.",
  },
  sidecarImage: {
    variable: "SLUICE_SIDECAR_IMAGE",
    kind: "text",
    default: defaultSidecarImage,
    summary: "Image of the sidecar that the webhook adds.",
  },
  sidecarTrustedPeers: {
    variable: "SLUICE_SIDECAR_TRUSTED_PEERS",
    kind: "text",
    default: "",
    summary: "SLUICE_TRUSTED_PEERS of sidecars that the webhook adds: who may set internal headers.",
  },
  scaleEndpoint: {
    variable: "SLUICE_SCALE_ENDPOINT",
    kind: "text",
    default: "http://127.0.0.1:8003/v1/scale",
    summary: "The aggregator's scale endpoint.",
  },
  tokenFile: {
    variable: "SLUICE_TOKEN_FILE",
    kind: "file",
    summary: "File with the token that feed and scale endpoint need; read again at each use.",
  },
  certificateFolder: {
    variable: "SLUICE_CERTIFICATE_FOLDER",
    kind: "folder",
    summary:
      "Folder with tls.crt and tls.key, which makes the feed's port speak https only, and ca.crt, by which the scale endpoint is judged.",
  },
  domains: {
    variable: "SLUICE_DOMAINS",
    kind: "list",
    default: ["example.com"],
    summary: "Domains under which every service gets a host, {name}.{namespace}.{domain}.",
  },
  allowedHosts: {
    variable: "SLUICE_ALLOWED_HOSTS",
    kind: "parsed",
    parse: parseAllowList,
    default: "",
    summary: "Hosts that services may name themselves: namespace=host or namespace=*.host, with commas.",
  },
  settleMs: {
    variable: "SLUICE_ENDPOINT_SETTLE",
    kind: "durationMs",
    default: 3000,
    min: 0,
    summary: "How long nodes may take to follow an EndpointSlice, before the old endpoints are removed.",
  },
  logLevel: {
    variable: "SLUICE_LOG_LEVEL",
    kind: "oneOf",
    choices: logLevels,
    default: "info",
    summary: "Least level of log lines.",
  },
});

export type ScalerSettings = Settings<typeof scalerSettings>;

/** Throws SettingsError with every problem. */
export function readScalerSettings(source: SettingsSource): ScalerSettings {
  return parseSettings(scalerSettings, source);
}
