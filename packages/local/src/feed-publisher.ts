import type { FeedObject } from "@sluice/core";

/** Where the platform says what runs. */
export interface FeedPublisher {
  publish(object: FeedObject): void;
  withdraw(object: FeedObject): void;
  /** Resolves when every activator has applied all that was published so far; activators that are gone are not waited for long. */
  acknowledged(): Promise<void>;
}
