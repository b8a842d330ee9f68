import { createMetrics, createLogger, AdminServer, WatchHub, WatchClient } from "@sluice/kit";
import * as v from "valibot";
import { expect, test } from "vitest";

test("a reader follows a hub over a real socket", async () => {
  const hub = new WatchHub<{ n: number }>();
  hub.markListed();
  hub.set("a", { n: 1 });
  const log = createLogger({ name: "test", level: "silent" });
  const server = new AdminServer({
    address: "127.0.0.1",
    port: 0,
    log,
    metrics: createMetrics(),
    routes: hub.toRoutes("/v1/feed"),
  });
  const { port } = await server.listen();
  const put = Promise.withResolvers<unknown>();
  const reader = new WatchClient({
    url: `http://127.0.0.1:${port}/v1/feed`,
    log,
    schema: v.object({ n: v.number() }),
    acknowledgeAs: "me",
    onPut: (key, object) => put.resolve([key, object]),
  });
  await reader.ready;
  expect([...reader.objects]).toEqual([["a", { n: 1 }]]);
  const version = hub.set("b", { n: 2 });
  expect(await put.promise).toEqual(["b", { n: 2 }]);
  expect(await hub.waitForAcknowledgement(version, ["me"], 2000)).toEqual([]);
  await reader.close();
  hub.close();
  await server.close();
});
