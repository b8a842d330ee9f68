import { findOwner, systemClock, type ObjectKey } from "@sluice/core";
import { expect, test } from "vitest";
import { StatSender } from "../../packages/activator/src/stat-sender.ts";
import { silentLog } from "../support/aggregator-harness.ts";
import { FakeAggregator } from "./support/fake-aggregator.ts";

test("stats go to the owner, and to the next in line while the owner cannot be reached", async () => {
  const aggregators = await Promise.all(["a", "b", "c"].map((name) => FakeAggregator.start(name)));
  const sender = new StatSender({
    activator: "activator-0",
    clock: systemClock,
    log: silentLog,
    random: Math.random,
    onOpen: () => undefined,
  });
  for (const aggregator of aggregators) sender.putMember(aggregator.toFeed());
  await expect.poll(() => sender.openConnections).toBe(3);
  const keys = Array.from({ length: 50 }, (_, index): ObjectKey => `default/hello-${index}`);
  expect(keys.map((key) => sender.findOwner(key))).toEqual(
    keys.map((key) => findOwner(key, ["a", "b", "c"])),
  );
  await aggregators[0]?.close();
  await expect.poll(() => sender.openConnections).toBe(2);
  expect(keys.map((key) => sender.findOwner(key))).toEqual(keys.map((key) => findOwner(key, ["b", "c"])));
  sender.close();
  await Promise.all([aggregators[1]?.close(), aggregators[2]?.close()]);
});
