import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { systemClock, type Clock, type FeedObject } from "@sluice/core";
import { createLogger, parseSettings, runStopStages } from "@sluice/kit";
import { activatorSettings, startActivator, type Activator } from "@sluice/activator";
import { FakeAggregator } from "./fake-aggregator.ts";
import { FakePod, type Answer } from "./fake-pod.ts";
import { FeedServer } from "./feed-server.ts";
import { makeRevision, makeService } from "./feed-objects.ts";

export interface HarnessOptions {
  /** Variables of the activator beyond what the harness sets. */
  readonly settings?: Readonly<Record<string, string>>;
  /** What the feed says at first; default: one service with one revision. */
  readonly objects?: readonly FeedObject[];
  readonly hasAggregator?: boolean;
  readonly feedUrl?: string;
  readonly clock?: Clock;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Call {
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
  readonly port?: number;
}

const giveUpMs = 15_000;
const silent = createLogger({ name: "test", level: "silent" });

/** A real activator between a feed, an aggregator and pods that tests control. Cleans up behind itself. */
export class Harness implements AsyncDisposable {
  readonly feed: FeedServer;
  readonly aggregator: FakeAggregator | undefined;
  readonly activator: Activator;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #pods: FakePod[] = [];
  #isStopped = false;

  private constructor(feed: FeedServer, aggregator: FakeAggregator | undefined, activator: Activator) {
    this.feed = feed;
    this.aggregator = aggregator;
    this.activator = activator;
  }

  static async start(options: HarnessOptions = {}): Promise<Harness> {
    const feed = await FeedServer.start(options.objects ?? [makeRevision(), makeService()]);
    const aggregator = options.hasAggregator === false ? undefined : await FakeAggregator.start();
    if (aggregator !== undefined) feed.put(aggregator.toFeed());
    const environment = { SLUICE_FEED: options.feedUrl ?? feed.url, ...options.settings };
    const activator = await startTestActivator(environment, options.clock);
    await activator.ready;
    return new Harness(feed, aggregator, activator);
  }

  async addPod(name = `hello-00001-${this.#pods.length}`, answer?: Answer): Promise<FakePod> {
    const pod = await FakePod.start(name, answer);
    this.#pods.push(pod);
    this.feed.put(pod.toFeed());
    return pod;
  }

  call(part: Call = {}): Promise<Reply> {
    return callHttp({ port: this.activator.publicPort, ...part }, this.#agent);
  }

  /** The value of a metric, summed over its labels when none are named; 0 when it has no such series. */
  async metric(series: string): Promise<number> {
    const { body } = await callHttp({
      port: this.activator.adminPort,
      path: "/metrics",
      host: `127.0.0.1:${this.activator.adminPort}`,
    });
    let sum = 0;
    for (const line of body.split("\n")) {
      if (line.startsWith(`${series} `) || line.startsWith(`${series}{`))
        sum += Number(line.slice(line.lastIndexOf(" ")));
    }
    return sum;
  }

  /** Asks again until the metric is as wanted; gives up before the test's own time limit would. */
  async untilMetric(series: string, isWanted: (value: number) => boolean): Promise<void> {
    const giveUpAt = Date.now() + giveUpMs;
    for (;;) {
      const value = await this.metric(series);
      if (isWanted(value)) return;
      if (Date.now() > giveUpAt) throw new Error(`${series} stays at ${value}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  untilHeld(count: number): Promise<void> {
    return this.untilMetric("sluice_activator_held_requests", (held) => held === count);
  }

  async stop(): Promise<readonly string[]> {
    this.#isStopped = true;
    return await runStopStages(this.activator.stop, { log: silent, clock: systemClock });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    for (const pod of this.#pods) await pod.close();
    if (!this.#isStopped) await this.stop();
    await this.aggregator?.close();
    await this.feed.close();
  }
}

export function startTestActivator(
  environment: Readonly<Record<string, string>>,
  clock: Clock = systemClock,
): Promise<Activator> {
  const settings = parseSettings(activatorSettings, {
    environment: {
      POD_NAME: "activator-0",
      SLUICE_PUBLIC_PORT: "0",
      SLUICE_INTERNAL_PORT: "0",
      SLUICE_ADMIN_PORT: "0",
      SLUICE_DRAIN_TIMEOUT: "1s",
      ...environment,
    },
  });
  return startActivator({ settings, log: silent, clock });
}

export function callHttp(call: Call, agent?: Agent): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: "127.0.0.1",
      port: call.port,
      agent: agent ?? false,
      method: call.method ?? "GET",
      path: call.path ?? "/",
      setHost: false,
      maxHeaderSize: 1_048_576,
      headers: { host: call.host ?? "hello.default.example.com", ...call.headers } as Record<string, string>,
      ...(call.signal !== undefined && { signal: call.signal }),
    });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    request.end(call.body);
  });
}
