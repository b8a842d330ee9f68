import type { CancelTimer, Clock, ObjectKey } from "@sluice/core";
import { LogOnce, type Logger } from "@sluice/kit";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { RevisionScaler } from "./revision-scaler.ts";
import type { SteadyTime } from "./steady-time.ts";

export interface StateFileOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly time: SteadyTime;
  readonly scalers: () => Iterable<readonly [ObjectKey, RevisionScaler]>;
  readonly log: Logger;
}

/** What is kept of one revision: when it was active last, and the seconds that had load, in steady time. */
export interface KeptLoad {
  readonly lastActiveMs: number;
  /** Second, concurrency, requests. */
  readonly seconds: readonly (readonly [number, number, number])[];
}

const periodMs = 10_000;
const revisionsPerTurn = 500;
/** Older state says nothing about the windows any more: the longest is an hour. */
const lifeMs = 3_600_000;
const format = "sluice-aggregator-state-1";

const headSchema = v.object({ format: v.literal(format), savedAt: v.number(), count: v.number() });
const load = v.pipe(v.number(), v.minValue(0), v.maxValue(1e9));
const second = v.tuple([v.pipe(v.number(), v.integer()), load, load]);
const lineSchema = v.object({ key: v.string(), lastActiveMs: v.number(), seconds: v.array(second) });

/**
 * Keeps windows over a restart, in one file that is replaced whole. A file that is torn, foreign or too old is left
 * aside with a warning: the aggregator then starts as without it.
 */
export class StateFile {
  readonly #options: StateFileOptions;
  readonly #path: string;
  readonly #failures: LogOnce;
  #cancel: CancelTimer | undefined;

  constructor(options: StateFileOptions) {
    this.#options = options;
    this.#path = join(options.folder, "aggregator-state.ndjson");
    this.#failures = new LogOnce(options.log);
  }

  /** What the last process kept. Never rejects. */
  async load(): Promise<ReadonlyMap<ObjectKey, KeptLoad>> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch {
      // A first start has none.
      return new Map();
    }
    try {
      return parseState(text, this.#options.clock.now(), this.#options.time.nowMs());
    } catch (error) {
      this.#options.log.warn(
        { error, path: this.#path },
        "the kept state is left aside; starting without it",
      );
      return new Map();
    }
  }

  start(): void {
    this.#cancel = this.#options.clock.setTimer(() => void this.#saveAndGoOn(), periodMs);
  }

  /** Saves a last time. */
  async stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    await this.save();
  }

  /** Writes beside the file and renames, so that a reader finds the old one or the new one. Never rejects. */
  async save(): Promise<void> {
    const next = `${this.#path}.next`;
    try {
      const text = await this.#format();
      await mkdir(this.#options.folder, { recursive: true });
      await writeFile(next, text, { mode: 0o600 });
      await rename(next, this.#path);
      this.#failures.solved("state is kept again");
    } catch (error) {
      this.#failures.warn("state cannot be kept", { error, path: this.#path });
    }
  }

  async #saveAndGoOn(): Promise<void> {
    await this.save();
    if (this.#cancel !== undefined) this.start();
  }

  /** In turns, so that stats which arrive meanwhile do not wait for ten thousand revisions. */
  async #format(): Promise<string> {
    const { clock, time, scalers } = this.#options;
    const offsetMs = clock.now() - time.nowMs();
    const lines: string[] = [];
    for (const [key, { load }] of scalers()) {
      const seconds = load.stable
        .toEntries()
        .filter(([, concurrency, requests]) => concurrency !== 0 || requests !== 0)
        .map(([at, concurrency, requests]) => [at + Math.round(offsetMs / 1000), concurrency, requests]);
      lines.push(JSON.stringify({ key, lastActiveMs: Math.round(load.lastActiveMs + offsetMs), seconds }));
      if (lines.length % revisionsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const head = JSON.stringify({ format, savedAt: clock.now(), count: lines.length });
    return `${[head, ...lines].join("\n")}\n`;
  }
}

/** Throws for anything but a whole file of ours that is recent. */
export function parseState(
  text: string,
  wallNowMs: number,
  steadyNowMs: number,
): ReadonlyMap<ObjectKey, KeptLoad> {
  const [first = "", ...lines] = text.split("\n");
  const head = v.parse(headSchema, JSON.parse(first));
  if (lines.at(-1) !== "" || lines.length - 1 !== head.count) throw new Error("the file is torn");
  if (Math.abs(wallNowMs - head.savedAt) > lifeMs) throw new Error("the file is from another time");
  const offsetMs = steadyNowMs - wallNowMs;
  const kept = new Map<ObjectKey, KeptLoad>();
  for (const line of lines.slice(0, -1)) {
    const { key, lastActiveMs, seconds } = v.parse(lineSchema, JSON.parse(line));
    const [namespace = "", name = ""] = key.split("/");
    kept.set(`${namespace}/${name}`, {
      lastActiveMs: lastActiveMs + offsetMs,
      seconds: seconds
        .filter(([at]) => at * 1000 <= wallNowMs)
        .map(([at, ...values]) => [at + Math.round(offsetMs / 1000), ...values]),
    });
  }
  return kept;
}
