import { systemClock, type CancelTimer, type Clock } from "@sluice/core";
import { existsSync, watch, type FSWatcher } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { LogOnce } from "./log-once.ts";
import { parseObject } from "./parse-object.ts";
import { StartError } from "./start-error.ts";
import type { WatchReader, WatchReaderOptions } from "./watch-reader.ts";

export interface FeedFileOptions<T> extends WatchReaderOptions<T> {
  readonly path: string;
  /** The key of an object, as the server of the same objects would give it. */
  readonly toKey: (object: T) => string;
  readonly clock?: Clock;
}

/** Editors write in several steps; the file is read when it was quiet for so long. */
const quietMs = 20;

/**
 * A YAML file in place of a server: a list of objects, or a document each. Read again when it changes; one that is
 * broken or empty leaves the last good state (an empty list `[]` is a state). Throws when the file does not exist.
 */
export class FeedFile<T> implements WatchReader<T> {
  readonly ready: Promise<void>;
  readonly #options: FeedFileOptions<T>;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #failures: LogOnce;
  readonly #firstSnapshot = Promise.withResolvers<void>();
  readonly #watcher: FSWatcher;
  #objects: ReadonlyMap<string, T> = new Map();
  #number = 0;
  #text: string | undefined;
  #cancelRead: CancelTimer | undefined;
  #reading: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: FeedFileOptions<T>) {
    this.#options = options;
    this.#path = resolve(options.path);
    this.#clock = options.clock ?? systemClock;
    this.#failures = new LogOnce(options.log);
    if (!existsSync(this.#path)) {
      throw new StartError(
        `the feed file ${this.#path} does not exist`,
        "create it, or name a URL or another file",
      );
    }
    this.ready = this.#firstSnapshot.promise;
    // The folder, because files are replaced by renames and mounted ConfigMaps by a link beside them.
    this.#watcher = watch(dirname(this.#path), { persistent: false }, () => this.#readSoon());
    this.#watcher.on("error", (error) => this.#failures.warn("cannot watch the feed file", { error }));
    this.#readNext();
  }

  get isConnected(): boolean {
    return this.#number > 0 && !this.#isClosed;
  }

  get version(): string | undefined {
    return this.#number === 0 ? undefined : `file.${this.#number}`;
  }

  get objects(): ReadonlyMap<string, T> {
    return this.#objects;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRead?.();
    this.#watcher.close();
    return Promise.resolve();
  }

  #readSoon(): void {
    this.#cancelRead?.();
    this.#cancelRead = this.#clock.setTimer(() => this.#readNext(), quietMs);
  }

  /** One after the other, so that an older text never comes last. */
  #readNext(): void {
    this.#reading = this.#reading.then(() => this.#read());
  }

  async #read(): Promise<void> {
    try {
      const text = await readFile(this.#path, "utf8");
      if (text === this.#text) return;
      const objects = await parseFeedFile(text, this.#options);
      if (this.#isClosed) return;
      this.#text = text;
      this.#swapIn(objects);
    } catch (error) {
      this.#failures.warn(`the feed file ${this.#path} is refused; keeping the last good state`, { error });
    }
  }

  #swapIn(objects: ReadonlyMap<string, T>): void {
    const previous = this.#objects;
    this.#objects = objects;
    this.#number++;
    this.#failures.solved(`the feed file ${this.#path} is good again`);
    this.#options.onSnapshot?.(objects, previous);
    if (this.#number > 1) return;
    this.#options.onConnected?.();
    this.#firstSnapshot.resolve();
  }
}

async function parseFeedFile<T>(text: string, options: FeedFileOptions<T>): Promise<ReadonlyMap<string, T>> {
  // Loaded here only: most processes never read a feed from a file.
  const { parseAllDocuments } = await import("yaml");
  const documents = parseAllDocuments(text);
  if (documents.length === 0) throw new Error("the file is empty; an empty feed is []");
  const objects = new Map<string, T>();
  for (const document of documents) {
    const error = document.errors[0];
    if (error !== undefined) throw error;
    const content: unknown = document.toJS({ maxAliasCount: 100 });
    for (const item of Array.isArray(content) ? content : [content]) {
      const object = parseObject(options.schema, item);
      objects.set(options.toKey(object), object);
    }
  }
  return objects;
}
