import { toFeedKey, type FeedObject } from "@sluice/core";
import { AdminServer, createLogger, createMetrics, WatchHub } from "@sluice/kit";
import { join } from "node:path";
import { findFreePort } from "../harness/free-port.ts";
import { startProcess } from "../harness/started-process.ts";
import { waitUntilServed } from "../harness/wait-until-served.ts";

const main = join(import.meta.dirname, "..", "..", "packages", "aggregator", "src", "main.ts");
const log = createLogger({ name: "bench", level: "silent" });

/** Runs `measure` beside an aggregator that has read a feed of these objects; both are gone afterwards. */
export async function withAggregator<Result>(
  objects: Iterable<FeedObject>,
  measure: (aggregator: { readonly port: number; readonly pid: number }) => Promise<Result>,
): Promise<Result> {
  const hub = new WatchHub<FeedObject>();
  for (const object of objects) hub.set(toFeedKey(object), object);
  hub.markListed();
  const routes = hub.toRoutes("/v1/feed");
  const server = new AdminServer({ address: "127.0.0.1", port: 0, log, metrics: createMetrics(), routes });
  const feed = await server.listen();
  const port = await findFreePort();
  const environment = {
    SLUICE_FEED: `http://127.0.0.1:${feed.port}/v1/feed`,
    SLUICE_PORT: String(port),
    SLUICE_LOG_LEVEL: "warn",
  };
  const child = startProcess({ command: process.execPath, args: [main], environment });
  try {
    await waitUntilServed(`http://127.0.0.1:${port}/readyz`, child);
    return await measure({ port, pid: child.pid });
  } finally {
    await child.stop();
    hub.close();
    await server.close();
  }
}
