import { activatorSettings, startActivator } from "@sluice/activator";
import { readAggregatorSettings, startAggregator } from "@sluice/aggregator";
import { systemClock } from "@sluice/core";
import { createLogger, parseSettings, runStopStages, type Stage } from "@sluice/kit";
import { createScalerMetrics } from "@sluice/scaler";
import { sidecarSettings, startSidecar } from "@sluice/sidecar";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One process that can be scraped. */
interface Scraped {
  readonly port: number;
  readonly stop: readonly Stage[];
}

const log = createLogger({ name: "docs", level: "silent" });
const loopback = { SLUICE_BIND_ADDRESS: "127.0.0.1", SLUICE_LOG_LEVEL: "silent" };

/** Tables of what each process tells Prometheus, read from the real processes' own `/metrics`. */
export async function readMetricTables(): Promise<Readonly<Record<string, string>>> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-docs-"));
  const feed = join(folder, "feed.yaml");
  await writeFile(feed, "[]\n");
  try {
    return {
      "metrics-sidecar": await scrape(await openSidecar()),
      "metrics-activator": await scrape(await openActivator(feed)),
      "metrics-aggregator": await scrape(await openAggregator(feed)),
      "metrics-scaler": await readScalerTable(),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The scaler needs a cluster to start; its registry does not. */
async function readScalerTable(): Promise<string> {
  const figures = { countRevisions: () => 0, countWatchers: () => 0, isWriter: () => false };
  return toTable(await createScalerMetrics(figures).registry.metrics());
}

async function scrape({ port, stop }: Scraped): Promise<string> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    return toTable(await response.text());
  } finally {
    await runStopStages(stop, { log, clock: systemClock });
  }
}

/** Each metric stands in the exposition as `# HELP name text` and then `# TYPE name type`. */
function toTable(exposition: string): string {
  const helps = new Map<string, string>();
  const rows: string[] = [];
  for (const line of exposition.split("\n")) {
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === "HELP") helps.set(name, rest);
    else if (keyword === "TYPE") rows.push(`| \`${name}\` | ${rest} | ${helps.get(name) ?? ""} |`);
  }
  return ["| metric | type | what it says |", "|---|---|---|", ...rows.toSorted()].join("\n");
}

async function openSidecar(): Promise<Scraped> {
  const environment = {
    ...loopback,
    CONTAINER_CONCURRENCY: "1",
    QUEUE_SERVING_PORT: "0",
    QUEUE_SERVING_TLS_PORT: "0",
    USER_PORT: "0",
    REVISION_TIMEOUT_SECONDS: "300",
    SERVING_LOGGING_CONFIG: "",
    SERVING_LOGGING_LEVEL: "fatal",
    SERVING_NAMESPACE: "default",
    SERVING_CONFIGURATION: "docs",
    SERVING_REVISION: "docs-00001",
    SERVING_POD: "docs-00001-a",
    SERVING_POD_IP: "127.0.0.1",
    OBSERVABILITY_CONFIG: JSON.stringify({ requestMetrics: { protocol: "prometheus" } }),
    SLUICE_ADMIN_PORT: "0",
    SLUICE_STATS_PORT: "0",
    SLUICE_METRICS_PORT: "0",
    SLUICE_QUIET_PERIOD: "0s",
  };
  const { ports, stop } = await startSidecar(parseSettings(sidecarSettings, { environment }));
  return { port: ports.metrics ?? 0, stop };
}

async function openActivator(feed: string): Promise<Scraped> {
  const environment = {
    ...loopback,
    SLUICE_FEED: feed,
    SLUICE_PUBLIC_PORT: "0",
    SLUICE_INTERNAL_PORT: "0",
    SLUICE_ADMIN_PORT: "0",
  };
  const { adminPort, stop } = await startActivator({
    settings: parseSettings(activatorSettings, { environment }),
    log,
  });
  return { port: adminPort, stop };
}

async function openAggregator(feed: string): Promise<Scraped> {
  const environment = { ...loopback, SLUICE_FEED: feed, SLUICE_PORT: "0" };
  const settings = readAggregatorSettings({ environment, args: [] });
  return await startAggregator({ settings, clock: systemClock, random: Math.random, log });
}
