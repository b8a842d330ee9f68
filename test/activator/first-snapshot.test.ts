import { systemClock, toFeedKey, type FeedObject } from "@sluice/core";
import { activatorSettings, startActivator } from "@sluice/activator";
import {
  AdminServer,
  createLogger,
  createMetrics,
  parseSettings,
  runStopStages,
  WatchHub,
} from "@sluice/kit";
import { expect, test } from "vitest";
import { callHttp } from "./support/activator-harness.ts";
import { makeRevision, makeService } from "./support/feed-objects.ts";

const log = createLogger({ name: "test", level: "silent" });

test("an activator that has not read the feed yet asks clients to come back, and denies no host", async () => {
  const hub = new WatchHub<FeedObject>();
  const server = new AdminServer({
    address: "127.0.0.1",
    port: 0,
    log,
    metrics: createMetrics(),
    routes: hub.toRoutes("/v1/feed"),
  });
  const { port } = await server.listen();
  const activator = await startActivator({
    log,
    settings: parseSettings(activatorSettings, {
      environment: {
        SLUICE_FEED: `http://127.0.0.1:${port}/v1/feed`,
        SLUICE_PUBLIC_PORT: "0",
        SLUICE_INTERNAL_PORT: "0",
        SLUICE_ADMIN_PORT: "0",
        SLUICE_DRAIN_TIMEOUT: "10ms",
      },
    }),
  });
  const early = await callHttp({ port: activator.publicPort, host: "hello.default.example.com" });
  expect([early.status, early.body]).toEqual([503, "starting: the routes are not known yet\n"]);
  expect(early.headers["retry-after"]).toBe("1");

  for (const object of [makeRevision(), makeService()]) hub.set(toFeedKey(object), object);
  hub.markListed();
  await activator.ready;
  const unknown = await callHttp({ port: activator.publicPort, host: "nobody.example.com" });
  expect(unknown.status).toBe(404);

  await runStopStages(activator.stop, { log, clock: systemClock });
  hub.close();
  await server.close();
});
