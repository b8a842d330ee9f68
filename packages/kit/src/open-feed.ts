import { feedObjectSchema, toFeedKey, type FeedObject } from "@sluice/core";
import { FeedFile } from "./feed-file.ts";
import { WatchClient, type WatchClientOptions } from "./watch-client.ts";
import type { WatchReader } from "./watch-reader.ts";

export type OpenFeedOptions = Omit<WatchClientOptions<FeedObject>, "url" | "schema">;

/**
 * The platform's feed from a URL (`http:` or `https:`) or from a YAML file of the same objects. Handlers are called
 * from the next turn of the event loop on. Throws StartError for a file that does not exist.
 */
export function openFeed(source: string, options: OpenFeedOptions): WatchReader<FeedObject> {
  return /^https?:\/\//i.test(source)
    ? new WatchClient({ ...options, schema: feedObjectSchema, url: source })
    : new FeedFile({ ...options, schema: feedObjectSchema, path: source, toKey: toFeedKey });
}
