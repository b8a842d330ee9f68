import { SluiceError, systemClock, type CancelTimer, type Clock } from "@sluice/core";
import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import * as v from "valibot";
import { Acknowledgements } from "./acknowledgements.ts";
import type { AdminRequest, AdminRoute } from "./admin-route.ts";
import { answerTagged, answerText } from "./answer.ts";
import { WatchHistory } from "./watch-history.ts";
import { toPutLine, WatchSnapshot } from "./watch-snapshot.ts";
import { Watcher } from "./watcher.ts";

export interface WatchHubOptions {
  readonly clock?: Clock;
  /** Letters, digits and dashes; a new one for each start. Default: random. */
  readonly epoch?: string;
  /** Changes that a reader may lag behind or miss and still go on without a snapshot. Default 16,384. */
  readonly historyLines?: number;
  /** The same in bytes. Default 16 MiB. */
  readonly historyBytes?: number;
  /** Default 3000. */
  readonly heartbeatMs?: number;
  /** How long a reader may take nothing before its stream is ended. Default 30,000. */
  readonly stallMs?: number;
  /** Readers at once; more get 503. Default 1024. */
  readonly maxWatchers?: number;
}

const acknowledgementSchema = v.object({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(253)),
  version: v.pipe(v.string(), v.maxLength(64)),
});

const maxAcknowledgers = 1024;
const retryAfterSeconds = "1";

/**
 * The server side of list-watch (docs/architecture.md): objects by key, and everybody who watches them. A change is
 * serialised once and leaves at once. Objects are taken as they are at the call; later changes to them are not seen.
 */
export class WatchHub<T> {
  readonly #clock: Clock;
  readonly #epoch: string;
  readonly #heartbeatMs: number;
  readonly #stallMs: number;
  readonly #maxWatchers: number;
  readonly #objects = new Map<string, string>();
  readonly #history: WatchHistory;
  readonly #watchers = new Set<Watcher>();
  readonly #acknowledgements: Acknowledgements;
  #snapshot: WatchSnapshot | undefined;
  #isListed = false;
  #cancelHeartbeat: CancelTimer | undefined;

  constructor(options: WatchHubOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#epoch = options.epoch ?? randomBytes(6).toString("hex");
    this.#heartbeatMs = options.heartbeatMs ?? 3000;
    this.#stallMs = options.stallMs ?? 30_000;
    this.#maxWatchers = options.maxWatchers ?? 1024;
    this.#history = new WatchHistory(
      options.historyLines ?? 16_384,
      options.historyBytes ?? 16 * 1024 * 1024,
    );
    this.#acknowledgements = new Acknowledgements(this.#clock, maxAcknowledgers);
  }

  /** `{epoch}.{n}`: n counts the changes of this start. */
  get version(): string {
    return `${this.#epoch}.${this.#history.last}`;
  }

  get size(): number {
    return this.#objects.size;
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  get isListed(): boolean {
    return this.#isListed;
  }

  /** Everything is known once: from now on readers are served. Before it they get 503. */
  markListed(): void {
    this.#isListed = true;
  }

  /** Returns the version that has it. An object that serialises as before is no change. */
  set(key: string, object: T): string {
    const json = JSON.stringify(object);
    if (this.#objects.get(key) === json) return this.version;
    this.#objects.set(key, json);
    return this.#publish((version) => toPutLine(version, key, json));
  }

  /** Returns the version that no longer has it. */
  delete(key: string): string {
    if (!this.#objects.delete(key)) return this.version;
    return this.#publish(
      (version) => `{"type":"delete","version":"${version}","key":${JSON.stringify(key)}}\n`,
    );
  }

  /** Makes `entries` all there is; watchers see only what differs. */
  replaceAll(entries: Iterable<readonly [string, T]>): string {
    const kept = new Set<string>();
    for (const [key, object] of entries) {
      kept.add(key);
      this.set(key, object);
    }
    for (const key of this.#objects.keys()) if (!kept.has(key)) this.delete(key);
    return this.version;
  }

  /** The newest version that reader `name` says it has applied. */
  acknowledgedBy(name: string): string | undefined {
    const number = this.#acknowledgements.by(name);
    return number === undefined ? undefined : `${this.#epoch}.${number}`;
  }

  /** Resolves with the names that have not acknowledged `version` within the time: none when all have. */
  waitForAcknowledgement(
    version: string,
    names: Iterable<string>,
    timeoutMs: number,
  ): Promise<readonly string[]> {
    const number = this.#toNumber(version);
    if (number === undefined) throw new RangeError(`${version} is not a version of this hub`);
    return this.#acknowledgements.wait(number, names, timeoutMs);
  }

  /** Reader `name` is gone for good; waits go on without it. */
  forgetAcknowledger(name: string): void {
    this.#acknowledgements.forget(name);
  }

  /** `GET path` (list and watch) and `POST path/ack`. */
  toRoutes(path: string): readonly AdminRoute[] {
    return [
      { method: "GET", path, handle: (request) => this.answer(request) },
      { method: "POST", path: `${path}/ack`, handle: (request) => this.#acknowledge(request) },
    ];
  }

  /** Answers the list, or with `?watch=true` the stream, which stays open. */
  answer({ request, response, url }: AdminRequest): void {
    // A HEAD has no stream to keep open; it asks about the list.
    const isWatch = request.method === "GET" && url.searchParams.get("watch") === "true";
    if (!this.#isListed) refuse(response, "not everything is known yet; try again\n");
    else if (isWatch) this.#watch(response, url.searchParams.get("since"));
    else answerTagged(request, response, this.version, () => this.#toList());
  }

  /** Ends every stream and every wait. */
  close(): void {
    this.#cancelHeartbeat?.();
    this.#cancelHeartbeat = undefined;
    for (const watcher of this.#watchers) watcher.end();
    this.#acknowledgements.close();
  }

  #publish(toLine: (version: string) => string): string {
    const version = `${this.#epoch}.${this.#history.last + 1}`;
    // Before everything was listed there is no reader that could have missed it: a start with thousands of objects keeps none.
    if (this.#isListed) this.#history.push(Buffer.from(toLine(version)));
    else this.#history.skip();
    this.#snapshot = undefined;
    const nowMs = this.#clock.monotonic();
    for (const watcher of this.#watchers) watcher.advance(nowMs);
    return version;
  }

  #watch(response: ServerResponse, since: string | null): void {
    if (this.#watchers.size >= this.#maxWatchers) {
      refuse(response, "too many watchers\n");
      return;
    }
    response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
    const watcher = new Watcher(response, this.#history, this.#findStart(since));
    this.#watchers.add(watcher);
    response.on("drain", () => watcher.resume(this.#clock.monotonic()));
    response.on("close", () => this.#watchers.delete(watcher));
    // A reader that went away while we wrote is seen by "close".
    response.on("error", () => watcher.end());
    const nowMs = this.#clock.monotonic();
    watcher.advance(nowMs);
    // A reader that resumed with nothing missed learns from this that the stream works.
    watcher.writeHeartbeat(this.#toHeartbeat(), nowMs);
    this.#cancelHeartbeat ??= this.#clock.setTimer(() => this.#beat(), this.#heartbeatMs);
  }

  #findStart(since: string | null): WatchSnapshot | number {
    const number = since === null ? undefined : this.#toNumber(since);
    if (number !== undefined && this.#history.reaches(number)) return number;
    this.#snapshot ??= new WatchSnapshot(this.#epoch, this.#history.last, this.#objects);
    return this.#snapshot;
  }

  #beat(): void {
    // Watchers that still read the last snapshot hold it themselves.
    this.#snapshot = undefined;
    const nowMs = this.#clock.monotonic();
    const line = this.#toHeartbeat();
    for (const watcher of this.#watchers) {
      if (watcher.isStalled(nowMs, this.#stallMs)) watcher.end();
      else watcher.writeHeartbeat(line, nowMs);
    }
    // Without readers nothing beats, so an idle process sleeps.
    this.#cancelHeartbeat =
      this.#watchers.size === 0 ? undefined : this.#clock.setTimer(() => this.#beat(), this.#heartbeatMs);
  }

  async #acknowledge({ response, readJson }: AdminRequest): Promise<void> {
    const parsed = v.safeParse(acknowledgementSchema, await readJson());
    if (!parsed.success)
      throw new SluiceError("bad-request", "name and version are needed", { isPublic: true });
    const number = this.#toNumber(parsed.output.version);
    if (number === undefined)
      answerText(response, 409, `not a version of this start; it is at ${this.version}\n`);
    else if (this.#acknowledgements.add(parsed.output.name, number)) response.writeHead(204).end();
    else refuse(response, "too many names\n");
  }

  /** The number of a version of this epoch that has existed. */
  #toNumber(version: string): number | undefined {
    const prefix = `${this.#epoch}.`;
    if (!version.startsWith(prefix) || !/^\d{1,15}$/.test(version.slice(prefix.length))) return undefined;
    const number = Number(version.slice(prefix.length));
    return number <= this.#history.last ? number : undefined;
  }

  #toHeartbeat(): Buffer {
    return Buffer.from(`{"type":"heartbeat","version":"${this.version}"}\n`);
  }

  #toList(): string {
    return `{"version":"${this.version}","items":[${[...this.#objects.values()].join(",")}]}\n`;
  }
}

function refuse(response: ServerResponse, text: string): void {
  answerText(response, 503, text, { "retry-after": retryAfterSeconds });
}
