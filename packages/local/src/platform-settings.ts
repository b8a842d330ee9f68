import { defineSettings, type Settings } from "@sluice/kit";

/** Settings of `sluice up`; the ports are those of docs/architecture.md. */
export const platformSettings = defineSettings({
  publicPort: {
    variable: "SLUICE_PUBLIC_PORT",
    kind: "port",
    default: 8000,
    summary: "Where requests come in (the activator's public listener).",
  },
  adminPort: {
    variable: "SLUICE_ADMIN_PORT",
    kind: "port",
    default: 8001,
    summary: "The activator's health and metrics.",
  },
  internalPort: {
    variable: "SLUICE_INTERNAL_PORT",
    kind: "port",
    default: 8002,
    summary: "The activator's internal listener, which honours Knative's headers.",
  },
  aggregatorPort: {
    variable: "SLUICE_AGGREGATOR_PORT",
    kind: "port",
    default: 8003,
    summary: "The aggregator's scale endpoint, stats and metrics.",
  },
  feedPort: { variable: "SLUICE_FEED_PORT", kind: "port", default: 8004, summary: "The platform's feed." },
  spares: {
    variable: "SLUICE_SPARES",
    kind: "integer",
    min: 0,
    max: 100,
    default: 1,
    unit: "sidecars",
    summary: "Sidecars that are kept started, so that a cold start does not wait for one to load its code.",
  },
  domains: {
    variable: "SLUICE_DOMAINS",
    kind: "list",
    default: ["example.com", "localhost"],
    summary: "Each service answers to {name}.{namespace}.{domain}; names below localhost need no DNS.",
  },
  runtimeDir: {
    variable: "SLUICE_RUNTIME_DIR",
    kind: "text",
    summary:
      "Folder of the control socket; the default is one of your user, so another platform needs another.",
  },
});

export type PlatformSettings = Settings<typeof platformSettings>;
