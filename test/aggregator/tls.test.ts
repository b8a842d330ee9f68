import {
  decisionSchema,
  systemClock,
  toFeedKey,
  type AggregatorMember,
  type Decision,
  type FeedObject,
} from "@sluice/core";
import { activatorSettings, startActivator } from "@sluice/activator";
import { readAggregatorSettings, startAggregator, type Aggregator } from "@sluice/aggregator";
import {
  AdminServer,
  CertificateFolder,
  createMetrics,
  parseSettings,
  runStopStages,
  toServerTrust,
  WatchClient,
  WatchHub,
  type Stage,
} from "@sluice/kit";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { createRevision, silentLog } from "../support/aggregator-harness.ts";
import { MountedCertificate } from "../support/certificate.ts";
import { sendRequest } from "../support/http-request.ts";
import { waitUntil } from "../support/wait-until.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function stopLater(stages: readonly Stage[]): void {
  cleanups.push(() => runStopStages(stages, { log: silentLog, clock: systemClock }));
}

/** One certificate for all: servers by their address (the feed) and by the name that was agreed on (the aggregators). */
function mount(): { folder: string; tokenFile: string } {
  const mounted = new MountedCertificate("sluice-aggregator", "127.0.0.1");
  cleanups.push(() => mounted[Symbol.dispose]());
  const tokenFile = join(mounted.folder, "token");
  writeFileSync(tokenFile, "secret");
  return { folder: mounted.folder, tokenFile };
}

async function serveFeed(folder: string): Promise<{ hub: WatchHub<FeedObject>; url: string }> {
  const hub = new WatchHub<FeedObject>();
  const server = new AdminServer({
    address: "127.0.0.1",
    port: 0,
    log: silentLog,
    metrics: createMetrics(),
    routes: hub.toRoutes("/v1/feed"),
    token: "secret",
    certificates: new CertificateFolder(folder),
  });
  cleanups.push(() => server.close());
  cleanups.push(() => hub.close());
  const { port } = await server.listen();
  return { hub, url: `https://127.0.0.1:${port}/v1/feed` };
}

async function addAggregator(
  name: string,
  feed: { hub: WatchHub<FeedObject>; url: string },
  common: Readonly<Record<string, string>>,
): Promise<Aggregator> {
  const environment = { ...common, POD_NAME: name, SLUICE_PORT: "0", SLUICE_FEED: feed.url };
  const aggregator = await startAggregator({
    settings: readAggregatorSettings({ environment }),
    clock: systemClock,
    random: Math.random,
    log: silentLog,
  });
  stopLater(aggregator.stop);
  const member: AggregatorMember = {
    kind: "aggregator",
    name,
    address: "127.0.0.1",
    ports: { https: aggregator.port },
  };
  feed.hub.set(toFeedKey(member), member);
  return aggregator;
}

test("with certificates mounted, feed, stats and scale endpoint all speak TLS, among aggregators too", async () => {
  const { folder, tokenFile } = mount();
  const common = { SLUICE_CERTIFICATE_FOLDER: folder, SLUICE_TOKEN_FILE: tokenFile };
  const feed = await serveFeed(folder);
  // Enough revisions that each aggregator owns one.
  for (let number = 1; number <= 16; number++) {
    const revision = createRevision({ name: `r-${number}` });
    feed.hub.set(toFeedKey(revision), revision);
  }
  feed.hub.markListed();
  const first = await addAggregator("aggregator-0", feed, common);
  await addAggregator("aggregator-1", feed, common);
  const environment = { ...common, SLUICE_FEED: feed.url, SLUICE_PUBLIC_PORT: "0", SLUICE_ADMIN_PORT: "0" };
  const activator = await startActivator({
    settings: parseSettings(activatorSettings, {
      environment: { ...environment, SLUICE_INTERNAL_PORT: "0" },
    }),
    log: silentLog,
  });
  stopLater(activator.stop);

  const host = `127.0.0.1:${activator.adminPort}`;
  await waitUntil("the activator's connections to both aggregators", async () => {
    const { body } = await sendRequest(activator.adminPort, "/metrics", { headers: { host } });
    return (body.match(/^sluice_activator_stat_connections\{.*\} 1$/gm) ?? []).length === 2;
  });
  const reader = new WatchClient<Decision>({
    url: `https://127.0.0.1:${first.port}/v1/scale`,
    schema: decisionSchema,
    log: silentLog,
    token: "secret",
    trust: toServerTrust(folder, "sluice-aggregator"),
  });
  cleanups.push(() => reader.close());
  const owners = await waitUntil("decisions of both, learnt through the first", () => {
    const found = new Set([...reader.objects.values()].map((decision) => decision.owner));
    return found.size === 2 && found;
  });
  expect([...owners].toSorted()).toEqual(["aggregator-0", "aggregator-1"]);
});
