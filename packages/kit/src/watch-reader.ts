import type * as v from "valibot";
import type { Logger } from "./log.ts";

/** What a reader of a list-watch stream does with what it reads. Calls come in the stream's order. */
export interface WatchHandlers<T> {
  /** Everything there is, at each snapshot: what is not in it is gone. `previous` is the state that it replaces. */
  onSnapshot?(objects: ReadonlyMap<string, T>, previous: ReadonlyMap<string, T>): void;
  /** `previous` is undefined for a new object. */
  onPut?(key: string, object: T, previous: T | undefined): void;
  /** `previous` is undefined when the object was not known. */
  onDelete?(key: string, previous: T | undefined): void;
  /** In step with the server: after the first snapshot, or after a resume without one. */
  onConnected?(): void;
  /** The stream is gone; the last good state stays. */
  onDisconnected?(): void;
}

export interface WatchReaderOptions<T> extends WatchHandlers<T> {
  /** Checks every object; one that it refuses ends the stream, and the last good state stays. */
  readonly schema: v.GenericSchema<unknown, T>;
  readonly log: Logger;
}

/** An open list-watch stream, from a server or from a file. */
export interface WatchReader<T> {
  /** False from a broken stream on until the next one is in step. */
  readonly isConnected: boolean;
  /** The version that has been applied; undefined before the first snapshot. */
  readonly version: string | undefined;
  /** The last good state by key; empty before the first snapshot. Each snapshot is a new map. */
  readonly objects: ReadonlyMap<string, T>;
  /** Resolves when the first snapshot has been applied; never rejects, and waits as long as it takes. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}
