import type { CancelTimer, Clock } from "@sluice/core";
import { Backoff, LineSplitter, LogOnce, type Logger } from "@sluice/kit";
import type { ApiClient, ObjectPart } from "./api-client.ts";
import { ApiError } from "./api-error.ts";
import { isJson, jsonOf, textOf, toApiObject, type ApiObject } from "./api-object.ts";

export interface ReflectorOptions<T> {
  readonly client: ApiClient;
  /** `/apis/apps/v1/deployments`. */
  readonly path: string;
  readonly labelSelector?: string;
  /** Default `whole`. */
  readonly part?: ObjectPart;
  /** What is kept of an object; undefined keeps nothing, as if it did not exist. Saves memory. */
  readonly project: (object: ApiObject) => T | undefined;
  /** `object` is undefined when it is gone. Called in the stream's order, after the store has changed. */
  readonly onChange: (key: string, object: T | undefined, previous: T | undefined) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: () => number;
  /** A watch without a line for so long is dead: servers send a bookmark each minute. Default 120,000. */
  readonly silenceMs?: number;
}

/** As the official clients ask; members are read one by one, so a page costs no more memory than its largest. */
const pageSize = 500;
/** The server ends the watch after this; spread, so that watches of one start do not all come back together. */
const watchSeconds = 300;
const shortWatchMs = 1000;
const maxLineChars = 8 * 1024 * 1024;

/**
 * Keeps a copy of one kind of object, as it is on the API server: lists once, then follows one watch. Comes back where
 * it left off after a disconnect, and lists again only when the server says that its place is too old (410).
 */
export class Reflector<T> {
  /** Resolves when everything was listed once. */
  readonly listed: Promise<void>;
  readonly #options: ReflectorOptions<T>;
  readonly #objects = new Map<string, T>();
  readonly #listedOnce = Promise.withResolvers<void>();
  readonly #backoff: Backoff;
  readonly #failures: LogOnce;
  #resourceVersion = "";
  #isClosed = false;
  #abort = new AbortController();
  #cancelWait: CancelTimer | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.listed = this.#listedOnce.promise;
    this.#backoff = new Backoff({ firstMs: 100, capMs: 2000 }, options.random);
    this.#failures = new LogOnce(options.log);
  }

  get objects(): ReadonlyMap<string, T> {
    return this.#objects;
  }

  /** Runs until it is closed; never rejects. */
  async run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        if (this.#resourceVersion === "") await this.#list();
        const startMs = this.#options.clock.monotonic();
        await this.#watch();
        // A server that ends every watch at once must not be asked in a tight loop.
        if (this.#options.clock.monotonic() - startMs < shortWatchMs)
          await this.#wait(this.#backoff.nextMs());
      } catch (error) {
        if (this.#isClosed) return;
        if (error instanceof ApiError && error.status === 410) this.#resourceVersion = "";
        this.#failures.warn(`cannot watch ${this.#options.path}; keeping what is known`, { error });
        await this.#wait(this.#backoff.nextMs());
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelWait?.();
    this.#abort.abort();
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.setTimer(resolve, delayMs);
      this.#cancelWait = () => {
        cancel();
        resolve();
      };
    });
  }

  #toPath(parameters: Readonly<Record<string, string>>): string {
    const query = new URLSearchParams(parameters);
    if (this.#options.labelSelector !== undefined) query.set("labelSelector", this.#options.labelSelector);
    return `${this.#options.path}?${query.toString()}`;
  }

  /** Pages of a list that belong together; the copy is swapped in when the last one came. */
  async #list(): Promise<void> {
    const { client, part = "whole" } = this.#options;
    const found = new Map<string, T>();
    let next = "";
    let version = "";
    do {
      const page: Readonly<Record<string, string>> = {
        limit: String(pageSize),
        ...(next === "" ? {} : { continue: next }),
      };
      const answer = await client.list(this.#toPath(page), part, (item) => this.#keep(found, item));
      const metadata = jsonOf(jsonOf(answer)["metadata"]);
      next = textOf(metadata["continue"]);
      version = textOf(metadata["resourceVersion"]);
    } while (next !== "" && !this.#isClosed);
    this.#replaceAll(found);
    // Only now: after a page that failed everything is listed again, and nothing is watched from the middle of a list.
    this.#resourceVersion = version;
    this.#listedOnce.resolve();
  }

  #keep(found: Map<string, T>, item: unknown): void {
    const object = toApiObject(item);
    const projected = object && this.#options.project(object);
    if (object !== undefined && projected !== undefined) found.set(toKey(object), projected);
  }

  #replaceAll(found: ReadonlyMap<string, T>): void {
    for (const key of this.#objects.keys()) if (!found.has(key)) this.#set(key, undefined);
    for (const [key, object] of found) this.#set(key, object);
  }

  #set(key: string, object: T | undefined): void {
    const previous = this.#objects.get(key);
    if (object === undefined) {
      if (!this.#objects.delete(key)) return;
    } else this.#objects.set(key, object);
    this.#options.onChange(key, object, previous);
  }

  async #watch(): Promise<void> {
    const { client, part = "whole" } = this.#options;
    const abort = new AbortController();
    this.#abort = abort;
    const random = this.#options.random?.() ?? Math.random();
    const path = this.#toPath({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: this.#resourceVersion,
      timeoutSeconds: String(Math.round(watchSeconds * (1 + random))),
    });
    let cancelSilence = this.#startSilence(abort);
    try {
      const splitter = new LineSplitter(maxLineChars);
      for await (const bytes of await client.watch(path, part, abort.signal)) {
        cancelSilence();
        cancelSilence = this.#startSilence(abort);
        splitter.push(bytes, (line) => this.#apply(line));
      }
    } finally {
      cancelSilence();
      abort.abort();
    }
  }

  #startSilence(abort: AbortController): CancelTimer {
    const silenceMs = this.#options.silenceMs ?? 120_000;
    const error = new Error(`nothing came for ${silenceMs} ms`);
    return this.#options.clock.setTimer(() => abort.abort(error), silenceMs);
  }

  /** One event. A line that was cut off is not JSON, throws, and the watch comes back before it. */
  #apply(line: string): boolean {
    const event: unknown = JSON.parse(line);
    if (!isJson(event)) return true;
    const { type } = event;
    if (type === "ERROR") {
      const status = jsonOf(event["object"]);
      throw new ApiError(Number(status["code"] ?? 500), textOf(status["reason"]), textOf(status["message"]));
    }
    const version = textOf(jsonOf(jsonOf(event["object"])["metadata"])["resourceVersion"]);
    const object = type === "BOOKMARK" ? undefined : toApiObject(event["object"]);
    if (object !== undefined) {
      this.#set(toKey(object), type === "DELETED" ? undefined : this.#options.project(object));
    }
    if (version !== "") this.#resourceVersion = version;
    this.#backoff.reset();
    this.#failures.solved("the watch is back", { path: this.#options.path });
    return !this.#isClosed;
  }
}

function toKey(object: ApiObject): string {
  const { namespace, name } = object.metadata;
  return namespace === "" ? name : `${namespace}/${name}`;
}
