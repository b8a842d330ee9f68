import { toFeedKey, type FeedObject } from "@sluice/core";
import { AdminServer, createLogger, createMetrics, WatchHub } from "@sluice/kit";

/** A platform that publishes what a test tells it. */
export class FeedServer {
  readonly hub: WatchHub<FeedObject>;
  readonly #server: AdminServer;
  #url = "";

  private constructor(port: number) {
    this.hub = new WatchHub<FeedObject>();
    this.hub.markListed();
    this.#server = new AdminServer({
      address: "127.0.0.1",
      port,
      log: createLogger({ name: "feed", level: "silent" }),
      metrics: createMetrics(),
      routes: this.hub.toRoutes("/v1/feed"),
    });
  }

  static async start(objects: readonly FeedObject[] = [], port = 0): Promise<FeedServer> {
    const feed = new FeedServer(port);
    feed.put(...objects);
    const bound = await feed.#server.listen();
    feed.#url = `http://127.0.0.1:${bound.port}/v1/feed`;
    return feed;
  }

  get url(): string {
    return this.#url;
  }

  put(...objects: readonly FeedObject[]): void {
    for (const object of objects) this.hub.set(toFeedKey(object), object);
  }

  delete(object: FeedObject): void {
    this.hub.delete(toFeedKey(object));
  }

  async close(): Promise<void> {
    this.hub.close();
    await this.#server.close();
  }
}
