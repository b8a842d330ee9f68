import type { Clock } from "@sluice/core";
import { LogOnce, type Logger } from "@sluice/kit";
import type { ApiClient } from "./api-client.ts";
import { KeyedWorker } from "./keyed-worker.ts";

/** What an event is about. */
export interface EventTarget {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface EventText {
  readonly type: "Normal" | "Warning";
  /** One word for programs: `Scaled`, `Refused`. */
  readonly reason: string;
  readonly message: string;
}

export interface EventWriterOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** The replica's name. */
  readonly instance: string;
}

/** The API refuses longer ones. */
const maxMessage = 1024;
/** The same sentence about the same object is not repeated before. */
const repeatMs = 300_000;
const maxRemembered = 10_000;

/** Writes events for `kubectl describe`. Best effort: events explain, they never hold anything up. */
export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #worker: KeyedWorker;
  readonly #failures: LogOnce;
  readonly #written = new Map<string, number>();

  constructor(options: EventWriterOptions) {
    this.#options = options;
    this.#failures = new LogOnce(options.log);
    this.#worker = new KeyedWorker(4, (_key, error) =>
      this.#failures.warn("cannot write an event", { error }),
    );
  }

  write(target: EventTarget, text: EventText): void {
    const { clock } = this.#options;
    const key = `${target.uid} ${text.reason}`;
    const sentence = `${key} ${text.message}`;
    const nowMs = clock.monotonic();
    const writtenAtMs = this.#written.get(sentence);
    if (writtenAtMs !== undefined && nowMs - writtenAtMs < repeatMs) return;
    if (this.#written.size >= maxRemembered) this.#written.clear();
    this.#written.set(sentence, nowMs);
    this.#worker.submit(key, () => this.#post(target, text));
  }

  async #post(target: EventTarget, text: EventText): Promise<void> {
    const { client, clock, instance } = this.#options;
    const at = new Date(clock.now()).toISOString();
    await client.call("POST", `/api/v1/namespaces/${target.namespace}/events`, {
      body: {
        apiVersion: "v1",
        kind: "Event",
        metadata: { generateName: `${target.name.slice(0, 200)}.`, namespace: target.namespace },
        involvedObject: target,
        type: text.type,
        reason: text.reason,
        message: text.message.slice(0, maxMessage),
        reportingComponent: "sluice.dev/scaler",
        reportingInstance: instance.slice(0, 128),
        source: { component: "sluice-scaler" },
        action: text.reason,
        firstTimestamp: at.replace(/\.\d+/, ""),
        lastTimestamp: at.replace(/\.\d+/, ""),
        eventTime: at.replace("Z", "000Z"),
        count: 1,
      },
    });
    this.#failures.solved("events can be written again");
  }
}
