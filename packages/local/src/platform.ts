import {
  decisionSchema,
  toFeedKey,
  type Clock,
  type Decision,
  type FeedObject,
  type ObjectKey,
} from "@sluice/core";
import { AdminServer, createMetrics, StartError, WatchClient, type Logger, type WatchHub } from "@sluice/kit";
import type { AddressBook } from "./address-book.ts";
import type { Catalog, ManifestSource } from "./catalog.ts";
import { viewPods, viewRevisions, viewServices } from "./catalog-view.ts";
import type { ControlServer } from "./control-server.ts";
import type { LogRing } from "./log-ring.ts";
import type { Member } from "./member.ts";
import type { SidecarSource } from "./sidecar-source.ts";
import type { ApplyView, PodView, RevisionView, ServiceView, StatusView } from "./view.ts";

export interface PlatformParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly logs: LogRing;
  readonly hub: WatchHub<FeedObject>;
  readonly ports: StatusView["ports"];
  readonly addresses: AddressBook;
  readonly sidecars: SidecarSource;
  readonly members: readonly Member[];
  readonly memberObjects: readonly FeedObject[];
  readonly catalog: Catalog;
  readonly createControl: (platform: Platform) => ControlServer;
}

const host = "127.0.0.1";
/** What the activator and the aggregator get to end by themselves. */
const memberStopLimitMs = 5000;

/** The platform on one machine while it runs: what `sluice up` starts and the control socket talks to. */
export class Platform {
  readonly logs: LogRing;
  readonly #parts: PlatformParts;
  readonly #feed: AdminServer;
  readonly #control: ControlServer;
  readonly #startedAt: string;
  #decisions: WatchClient<Decision> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(parts: PlatformParts) {
    this.#parts = parts;
    this.logs = parts.logs;
    this.#startedAt = new Date(parts.clock.now()).toISOString();
    this.#feed = new AdminServer({
      address: host,
      port: parts.ports.feed,
      log: parts.log,
      metrics: createMetrics(),
      routes: parts.hub.toRoutes("/v1/feed"),
    });
    this.#control = parts.createControl(this);
  }

  get status(): StatusView {
    const { ports, members, sidecars } = this.#parts;
    return {
      pid: process.pid,
      startedAt: this.#startedAt,
      ports,
      members: Object.fromEntries(members.map((member) => [member.spec.name, member.pid ?? 0])),
      spares: sidecars.spareCount,
    };
  }

  get services(): ServiceView[] {
    return viewServices(this.#parts.catalog, this.#parts.ports.public);
  }

  get revisions(): RevisionView[] {
    return viewRevisions(this.#parts.catalog);
  }

  get pods(): PodView[] {
    return viewPods(this.#parts.catalog);
  }

  /** Resolves when requests can come in. When anything of it fails, everything is stopped again. */
  async start(sources: readonly ManifestSource[]): Promise<ApplyView> {
    const { hub, members, memberObjects, ports } = this.#parts;
    try {
      for (const object of memberObjects) hub.set(toFeedKey(object), object);
      // Before anything runs, because a broken manifest must leave nothing half-started.
      const applied = this.apply(sources);
      await this.#feed.listen();
      await this.#control.listen();
      hub.markListed();
      for (const member of members) member.start();
      this.#decisions = this.#watchDecisions(ports.aggregator);
      await Promise.all(members.map(async (member) => await member.waitUntilReady()));
      return applied;
    } catch (error) {
      await this.stop(0);
      throw error;
    }
  }

  apply(sources: readonly ManifestSource[]): ApplyView {
    if (this.#stopped !== undefined) throw new StartError("sluice is stopping", "start it again");
    return this.#parts.catalog.apply(sources);
  }

  async remove(key: ObjectKey, drainLimitMs = 30_000): Promise<boolean> {
    return await this.#parts.catalog.remove(key, drainLimitMs);
  }

  /** Drains pods for at most `drainLimitMs`, then ends everything. Resolves when no process is left. */
  async stop(drainLimitMs: number): Promise<void> {
    this.#stopped ??= this.#stop(drainLimitMs);
    await this.#stopped;
  }

  /** Ends everything at once. */
  kill(): void {
    const { catalog, members, sidecars } = this.#parts;
    catalog.kill();
    sidecars.close();
    for (const member of members) member.kill();
  }

  async #stop(drainLimitMs: number): Promise<void> {
    const { addresses, catalog, hub, members, sidecars } = this.#parts;
    // The activator goes first: while it drains, pods still come up for what it holds and serve it.
    const [activators, others] = partition(members, (member) => member.spec.service === "activator");
    await Promise.all(
      activators.map(async (member) => await member.stop(Math.max(drainLimitMs, memberStopLimitMs))),
    );
    for (const member of activators) hub.forgetAcknowledger(member.spec.name);
    await this.#decisions?.close();
    await catalog.stop(drainLimitMs);
    sidecars.close();
    await Promise.all(others.map(async (member) => await member.stop(memberStopLimitMs)));
    hub.close();
    addresses.close();
    await Promise.all([this.#feed.close(), this.#control.close()]);
  }

  #watchDecisions(port: number): WatchClient<Decision> {
    const apply = (decision: Decision): void => this.#parts.catalog.applyDecision(decision);
    return new WatchClient({
      url: `http://${host}:${port}/v1/scale`,
      schema: decisionSchema,
      log: this.#parts.log,
      // The aggregator is on this machine and back in a moment; a held request waits for it.
      backoff: { firstMs: 10, capMs: 250 },
      onSnapshot: (decisions) => {
        for (const decision of decisions.values()) apply(decision);
      },
      onPut: (_key, decision) => apply(decision),
    });
  }
}

function partition<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}
