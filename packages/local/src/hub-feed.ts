import { toFeedKey, type FeedObject } from "@sluice/core";
import type { WatchHub } from "@sluice/kit";
import type { FeedPublisher } from "./feed-publisher.ts";

/** How long a pod's end waits for an activator that says nothing, being dead or busy. */
const acknowledgementLimitMs = 1000;

/** The feed as a list-watch hub; `activators` are the members whose word counts before a pod may drain. */
export function createHubFeed(hub: WatchHub<FeedObject>, activators: readonly string[]): FeedPublisher {
  return {
    publish: (object) => void hub.set(toFeedKey(object), object),
    withdraw: (object) => void hub.delete(toFeedKey(object)),
    async acknowledged() {
      await hub.waitForAcknowledgement(hub.version, activators, acknowledgementLimitMs);
    },
  };
}
