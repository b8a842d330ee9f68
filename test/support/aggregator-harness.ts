import { readAggregatorSettings, startAggregator, type Aggregator } from "@sluice/aggregator";
import {
  decisionSchema,
  encodeStatBatch,
  systemClock,
  toFeedKey,
  type Clock,
  type Decision,
  type FeedObject,
  type Pod,
  type Revision,
  type Stat,
} from "@sluice/core";
import { AdminServer, createLogger, createMetrics, WatchClient, WatchHub } from "@sluice/kit";
import { once } from "node:events";
import { WebSocket } from "ws";

export const silentLog = createLogger({ name: "test", level: "silent" });

const start = "2026-11-23T10:00:00.000Z";

export function createRevision(overrides: Partial<Revision> = {}): Revision {
  return {
    kind: "revision",
    namespace: "default",
    name: "hello-00001",
    service: "hello",
    containerConcurrency: 0,
    protocol: "http1",
    timeouts: { request: 300, responseStart: 0, idle: 0 },
    annotations: {},
    readiness: { probe: "tcp", hasStartupProbe: false },
    reachable: true,
    createdAt: start,
    applied: { replicas: 0, mode: "proxy", modeSince: start, decidedAt: start },
    ...overrides,
  };
}

export function createPod(name: string, overrides: Partial<Pod> = {}): Pod {
  return {
    kind: "pod",
    namespace: "default",
    revision: "hello-00001",
    name,
    address: "127.0.0.1",
    ports: { main: 8012, stats: 9090, metrics: 9091, admin: 8022 },
    ready: true,
    terminating: false,
    startedAt: start,
    ...overrides,
  };
}

export function createStat(overrides: Partial<Stat> = {}): Stat {
  return {
    podName: "activator-0",
    averageConcurrentRequests: 1,
    averageProxiedConcurrentRequests: 0,
    requestCount: 1,
    proxiedRequestCount: 0,
    processUptime: 0,
    timestamp: 0,
    held: 0,
    ...overrides,
  };
}

/** A platform's feed on a real port. */
export class TestFeed implements AsyncDisposable {
  readonly hub = new WatchHub<FeedObject>();
  readonly #server: AdminServer;
  #port = 0;

  private constructor() {
    this.#server = new AdminServer({
      address: "127.0.0.1",
      port: 0,
      log: silentLog,
      metrics: createMetrics(),
      routes: this.hub.toRoutes("/v1/feed"),
    });
  }

  static async open(objects: readonly FeedObject[]): Promise<TestFeed> {
    const feed = new TestFeed();
    for (const object of objects) feed.put(object);
    feed.hub.markListed();
    feed.#port = (await feed.#server.listen()).port;
    return feed;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/v1/feed`;
  }

  put(object: FeedObject): void {
    this.hub.set(toFeedKey(object), object);
  }

  delete(object: FeedObject): void {
    this.hub.delete(toFeedKey(object));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hub.close();
    await this.#server.close();
  }
}

export interface TestAggregatorOptions {
  readonly feed: string;
  readonly name?: string;
  readonly clock?: Clock;
  readonly environment?: Readonly<Record<string, string>>;
  /** What its scale endpoint needs, when it has a token file. */
  readonly token?: string;
}

/** An aggregator in this process, on a free port, with a reader of its scale endpoint. */
export class TestAggregator implements AsyncDisposable {
  readonly aggregator: Aggregator;
  readonly decisions: Decision[] = [];
  readonly #watch: WatchClient<Decision>;
  readonly #waiters = new Set<() => void>();
  readonly #sockets: WebSocket[] = [];

  private constructor(aggregator: Aggregator, token: string | undefined) {
    this.aggregator = aggregator;
    const take = (decision: Decision): void => {
      this.decisions.push(decision);
      for (const check of this.#waiters) check();
    };
    this.#watch = new WatchClient({
      url: `${this.url}/v1/scale`,
      schema: decisionSchema,
      log: silentLog,
      ...(token === undefined ? {} : { token }),
      onSnapshot: (objects) => objects.forEach(take),
      onPut: (_key, decision) => take(decision),
    });
  }

  static async start(options: TestAggregatorOptions): Promise<TestAggregator> {
    const environment = {
      SLUICE_FEED: options.feed,
      SLUICE_PORT: "0",
      POD_NAME: options.name ?? "aggregator-0",
      ...options.environment,
    };
    const aggregator = await startAggregator({
      settings: readAggregatorSettings({ environment }),
      clock: options.clock ?? systemClock,
      random: Math.random,
      log: silentLog,
    });
    const started = new TestAggregator(aggregator, options.token);
    await started.#watch.ready;
    return started;
  }

  get url(): string {
    return `http://127.0.0.1:${this.aggregator.port}`;
  }

  /** A stats connection, as an activator has it. */
  async connect(): Promise<WebSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.aggregator.port}/`);
    this.#sockets.push(socket);
    await once(socket, "open");
    return socket;
  }

  /** Resolves with the first decision, also a past one, for which `matches` holds. */
  waitFor(matches: (decision: Decision) => boolean): Promise<Decision> {
    return new Promise((resolve) => {
      const check = (): void => {
        const found = this.decisions.find(matches);
        if (found === undefined) return;
        this.#waiters.delete(check);
        resolve(found);
      };
      this.#waiters.add(check);
      check();
    });
  }

  /** What it watched so far no longer counts. */
  forget(): void {
    this.decisions.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    await this.#watch.close();
    for (const stage of this.aggregator.stop) await stage.run(new AbortController().signal);
  }
}

export function sendStat(socket: WebSocket, stat: Partial<Stat> = {}, name = "hello-00001"): void {
  socket.send(encodeStatBatch([{ namespace: "default", name, stat: createStat(stat) }]));
}
