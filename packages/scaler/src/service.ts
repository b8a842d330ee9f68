import type { KubeConfig } from "@kubernetes/client-node";
import {
  decisionSchema,
  toKey,
  type Clock,
  type Decision,
  type FeedObject,
  type ObjectKey,
} from "@sluice/core";
import {
  AdminServer,
  CertificateFolder,
  createTokenFile,
  toServerTrust,
  WatchClient,
  WatchHub,
  type Logger,
  type Stage,
} from "@sluice/kit";
import { randomUUID } from "node:crypto";
import type { PodOwner } from "./admission.ts";
import { ApiClient } from "./api-client.ts";
import { CertificateKeeper } from "./certificate-keeper.ts";
import { ClusterBook } from "./cluster-book.ts";
import { Cluster } from "./cluster.ts";
import { createClusterHandlers } from "./cluster-handlers.ts";
import { DecisionApplier } from "./decision-applier.ts";
import { EndpointWriter } from "./endpoint-writer.ts";
import { EventWriter } from "./event-writer.ts";
import { FeedPublisher } from "./feed-publisher.ts";
import { LeaseHolder } from "./lease-holder.ts";
import { createScalerMetrics } from "./scaler-metrics.ts";
import type { ScalerSettings } from "./scaler-settings.ts";
import { toDeploymentTarget, toRefusalEvents, toStandingEvents } from "./refusal-event.ts";
import { WebhookServer } from "./webhook-server.ts";

export interface ScalerOptions {
  readonly settings: ScalerSettings;
  readonly config: KubeConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Scaler {
  readonly port: number;
  /** Undefined until the webhook has its certificate, and without a webhook. */
  readonly webhookPort: () => number | undefined;
  readonly isWriter: () => boolean;
  readonly stop: readonly Stage[];
}

/** Activators that do not answer must not hold a switch up; they read the feed anyway. */
const acknowledgeTimeoutMs = 2000;
const leaseName = "sluice-scaler";

/** Creates everything, joins it, and starts it: the feed is answered with 503 until every kind was listed once. */
export async function startScaler(options: ScalerOptions): Promise<Scaler> {
  const { settings, clock, log } = options;
  const tokenSource = settings.tokenFile === undefined ? undefined : createTokenFile(settings.tokenFile);
  const book = new ClusterBook();
  const hub = new WatchHub<FeedObject>({ clock });
  const metrics = createScalerMetrics({
    countRevisions: () => book.deployments.size,
    countWatchers: () => hub.watcherCount,
    isWriter: () => lease.isHolder,
  });
  const client = new ApiClient(options.config, (method, isWatch) =>
    metrics.apiRequests.inc({ method, kind: isWatch ? "watch" : "call" }),
  );
  const events = new EventWriter({ client, clock, log, instance: settings.podName });
  const isWriter = (): boolean => lease.isHolder;
  const publisher = new FeedPublisher({
    hub,
    book,
    domains: settings.domains,
    allowList: settings.allowedHosts,
    onRefused(refused) {
      if (!isWriter()) return;
      for (const { target, text } of toRefusalEvents(refused, book)) events.write(target, text);
    },
  });
  const applier = new DecisionApplier({
    client,
    book,
    clock,
    log,
    isWriter,
    modeOf: (record) => endpoints.modeOf(record),
    onEvent: (record, text) => events.write(toDeploymentTarget(record), text),
    onWritten: (delayMs) => metrics.scaleWriteSeconds.observe(delayMs / 1000),
  });
  const endpoints = new EndpointWriter({
    client,
    book,
    clock,
    log,
    isWriter,
    serviceOf: (key) => publisher.services.get(key),
    decisionOf: (record) => applier.decisionOf(record),
    waitForActivators: () => waitForActivators(hub, book),
    settleMs: settings.settleMs,
    onMode: (key) => applier.consider(key),
  });
  const lease = new LeaseHolder({
    client,
    clock,
    log,
    namespace: settings.namespace,
    name: leaseName,
    identity: `${settings.podName}_${randomUUID()}`,
    onChange(isHolder) {
      if (!isHolder) return;
      publisher.publishServices();
      for (const { target, text } of toStandingEvents(book)) events.write(target, text);
      applier.considerAll();
      endpoints.considerAll();
    },
  });
  const cluster = new Cluster({
    client,
    clock,
    log,
    systemNamespace: settings.namespace,
    domains: settings.domains,
    handlers: createClusterHandlers({ book, publisher, applier, endpoints, events, isWriter, hub }),
  });
  const server = new AdminServer({
    address: settings.bindAddress,
    port: settings.port,
    log,
    metrics: metrics.registry,
    findUnready: () => (hub.isListed ? undefined : "not every kind has been listed yet"),
    routes: hub.toRoutes("/v1/feed"),
    ...(settings.certificateFolder === undefined
      ? {}
      : { certificates: new CertificateFolder(settings.certificateFolder) }),
    ...(tokenSource === undefined ? {} : { token: tokenSource }),
  });
  const { port } = await server.listen();
  const webhook = startWebhook(options, client, book, metrics);
  const openFeed = async (): Promise<void> => {
    await cluster.start();
    publisher.publishServices();
    hub.markListed();
    log.info({ revisions: book.deployments.size }, "everything was listed; the feed is open");
    await lease.start();
  };
  void openFeed();
  const consider = (key: string, decision: Decision): void => {
    applier.decide(decision);
    const record = book.deployments.get(key as ObjectKey);
    if (record !== undefined) endpoints.considerRevision(record);
  };
  const decisions = new WatchClient<Decision>({
    url: settings.scaleEndpoint,
    trust: toServerTrust(settings.certificateFolder),
    schema: decisionSchema,
    clock,
    log,
    ...(tokenSource === undefined ? {} : { token: tokenSource }),
    onSnapshot(objects, previous) {
      for (const key of previous.keys()) if (!objects.has(key)) applier.forget(key as ObjectKey);
      for (const decision of objects.values()) consider(toKey(decision), decision);
    },
    onPut: (_key, decision) => consider(toKey(decision), decision),
    onDelete: (key) => applier.forget(key as ObjectKey),
  });
  log.info({ port }, "watching");
  return {
    port,
    webhookPort: webhook.port,
    isWriter,
    stop: [
      {
        name: "stop writing",
        timeoutMs: 5000,
        async run() {
          await decisions.close();
          await Promise.all([applier.close(), endpoints.close()]);
          await lease.close();
        },
      },
      {
        name: "close listeners",
        timeoutMs: 5000,
        async run() {
          hub.close();
          await Promise.all([server.close(), webhook.close()]);
        },
      },
      {
        name: "infrastructure",
        timeoutMs: 5000,
        async run() {
          cluster.close();
          await client.close();
        },
      },
    ],
  };
}

/** Waits until the activators that read this replica's feed have what it says now. */
async function waitForActivators(hub: WatchHub<FeedObject>, book: ClusterBook): Promise<void> {
  const names = book.members("activator").map((member) => member.name);
  const readers = names.filter((name) => hub.acknowledgedBy(name) !== undefined);
  const missing = await hub.waitForAcknowledgement(hub.version, readers, acknowledgeTimeoutMs);
  // Who reads another replica's feed by now is not waited for again; whoever comes back acknowledges anew.
  for (const name of missing) hub.forgetAcknowledger(name);
}

interface RunningWebhook {
  readonly port: () => number | undefined;
  close(): Promise<void>;
}

function startWebhook(
  options: ScalerOptions,
  client: ApiClient,
  book: ClusterBook,
  metrics: ReturnType<typeof createScalerMetrics>,
): RunningWebhook {
  const { settings, clock, log } = options;
  const { webhookPort, webhookService, namespace, sidecarTrustedPeers } = settings;
  if (webhookPort === undefined) return { port: () => undefined, close: () => Promise.resolve() };
  let server: WebhookServer | undefined;
  let bound: number | undefined;
  const findOwner = (ownerNamespace: string, name: string): PodOwner | undefined =>
    book.deployments.get(toKey({ namespace: ownerNamespace, name }));
  const keeper = new CertificateKeeper({
    client,
    clock,
    log,
    namespace,
    secretName: webhookService,
    webhookName: webhookService,
    dnsNames: [`${webhookService}.${namespace}.svc`, `${webhookService}.${namespace}.svc.cluster.local`],
    onCertificate(pair) {
      if (server !== undefined) {
        server.setCertificate(pair);
        return;
      }
      server = new WebhookServer(
        {
          address: settings.bindAddress,
          port: webhookPort,
          log,
          image: settings.sidecarImage,
          ...(sidecarTrustedPeers === ""
            ? {}
            : { environment: { SLUICE_TRUSTED_PEERS: sidecarTrustedPeers } }),
          findOwner,
          onAnswer(isAllowed, tookMs) {
            metrics.admissions.inc({ result: isAllowed ? "allowed" : "refused" });
            metrics.admissionSeconds.observe(tookMs / 1000);
          },
        },
        pair,
      );
      void open(server);
    },
  });
  async function open(opened: WebhookServer): Promise<void> {
    try {
      bound = (await opened.listen()).port;
    } catch (error) {
      log.error({ error }, "the webhook cannot listen");
    }
  }
  void keeper.start();
  return {
    port: () => bound,
    async close() {
      keeper.close();
      await server?.close();
    },
  };
}
