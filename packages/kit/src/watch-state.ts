import { watchLineSchema } from "@sluice/core";
import type * as v from "valibot";
import { parseObject } from "./parse-object.ts";
import type { WatchHandlers } from "./watch-reader.ts";

/** More objects than this in one snapshot are taken for a broken server. */
const maxObjects = 1_000_000;

/**
 * What a reader knows, line by line. A snapshot is gathered apart and swapped in whole at its end, so a stream that
 * breaks before leaves the last good state. A line that is not good throws and changes nothing.
 */
export class WatchState<T> {
  readonly #schema: v.GenericSchema<unknown, T>;
  readonly #handlers: WatchHandlers<T>;
  #objects: Map<string, T> = new Map();
  #version: string | undefined;
  #incoming: Map<string, T> | undefined;
  #isInStep = false;

  constructor(schema: v.GenericSchema<unknown, T>, handlers: WatchHandlers<T>) {
    this.#schema = schema;
    this.#handlers = handlers;
  }

  get objects(): ReadonlyMap<string, T> {
    return this.#objects;
  }

  get version(): string | undefined {
    return this.#version;
  }

  /** Whether this stream's lines have brought the state to the server's version. */
  get isInStep(): boolean {
    return this.#isInStep;
  }

  /** A new stream begins: a snapshot that did not end is dropped. */
  restart(): void {
    this.#incoming = undefined;
    this.#isInStep = false;
  }

  /** Applies one line. Throws for one that is not good. */
  apply(text: string): void {
    const line = parseObject(watchLineSchema, JSON.parse(text));
    switch (line.type) {
      case "snapshot-begin":
        this.#incoming = new Map();
        return;
      case "snapshot-end":
        this.#swapIn(line.version);
        return;
      case "put":
        this.#put(line.key, this.#parse(line.key, line.object), line.version);
        return;
      case "delete":
        this.#delete(line.key, line.version);
        return;
      case "heartbeat":
        this.#heartbeat(line.version);
    }
  }

  #swapIn(version: string): void {
    if (this.#incoming === undefined) throw new Error("a snapshot ends that never began");
    const previous = this.#objects;
    this.#objects = this.#incoming;
    this.#incoming = undefined;
    this.#version = version;
    this.#isInStep = true;
    this.#handlers.onSnapshot?.(this.#objects, previous);
  }

  #put(key: string, object: T, version: string): void {
    if (this.#incoming !== undefined) {
      if (this.#incoming.size >= maxObjects) throw new RangeError("a snapshot has too many objects");
      this.#incoming.set(key, object);
      return;
    }
    this.#checkFollows(version);
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    this.#version = version;
    this.#handlers.onPut?.(key, object, previous);
  }

  #parse(key: string, object: unknown): T {
    try {
      return parseObject(this.#schema, object);
    } catch (cause) {
      throw new Error(`${key} is not good: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      });
    }
  }

  #delete(key: string, version: string): void {
    if (this.#incoming !== undefined) throw new Error("a delete within a snapshot");
    this.#checkFollows(version);
    const previous = this.#objects.get(key);
    this.#objects.delete(key);
    this.#version = version;
    this.#handlers.onDelete?.(key, previous);
  }

  #heartbeat(version: string): void {
    if (this.#incoming !== undefined) return;
    if (version !== this.#version)
      throw new Error(`the server is at ${version}, this reader at ${this.#version}`);
    this.#isInStep = true;
  }

  /** Changes are numbered without gaps: anything else means that lines were lost or belong to another start. */
  #checkFollows(version: string): void {
    const [epoch, number] = splitVersion(version);
    const [ownEpoch, ownNumber] = splitVersion(this.#version ?? "");
    if (epoch !== ownEpoch || number !== ownNumber + 1) {
      throw new Error(`version ${version} does not follow ${this.#version}`);
    }
  }
}

function splitVersion(version: string): readonly [string, number] {
  const dot = version.lastIndexOf(".");
  return [version.slice(0, dot), Number(version.slice(dot + 1))];
}
