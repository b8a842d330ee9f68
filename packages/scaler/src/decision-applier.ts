import { toKey, type Clock, type Decision, type ObjectKey } from "@sluice/core";
import { Backoff, type Logger } from "@sluice/kit";
import { names } from "@sluice/manifest";
import { mergePatch, type ApiClient } from "./api-client.ts";
import { ApiError, isTransient } from "./api-error.ts";
import { jsonOf, textOf } from "./api-object.ts";
import type { ClusterBook } from "./cluster-book.ts";
import { spareBusyPods } from "./deletion-cost.ts";
import type { DeploymentRecord } from "./deployment-record.ts";
import type { EventText } from "./event-writer.ts";
import { KeyedWorker } from "./keyed-worker.ts";
import { decideScaleWrite, hasReached, type OwnWrite } from "./scale-write.ts";

export interface DecisionApplierOptions {
  readonly client: ApiClient;
  readonly book: ClusterBook;
  readonly clock: Clock;
  readonly log: Logger;
  readonly isWriter: () => boolean;
  /** The mode that the endpoints of a revision's service are in by now. */
  readonly modeOf: (record: DeploymentRecord) => Decision["mode"];
  readonly onEvent: (record: DeploymentRecord, text: EventText) => void;
  /** A write took so long after its decision appeared. */
  readonly onWritten: (delayMs: number) => void;
}

/** Writes at once; more wait, the newest of each revision only. */
const parallelWrites = 32;
const transientRetryMs = 2000;

/** Applies decisions: the `scale` subresource when the number differs, and annotations that say what was done. */
export class DecisionApplier {
  readonly #options: DecisionApplierOptions;
  readonly #decisions = new Map<ObjectKey, Decision>();
  readonly #own = new Map<ObjectKey, OwnWrite>();
  readonly #backoffs = new Map<ObjectKey, Backoff>();
  /** Versions of Deployments whose annotations we wrote; what the watch shows of before is not news. */
  readonly #told = new Map<ObjectKey, string>();
  readonly #worker: KeyedWorker;
  readonly #annotator: KeyedWorker;

  constructor(options: DecisionApplierOptions) {
    this.#options = options;
    this.#worker = new KeyedWorker(parallelWrites, (key, error) => this.#failed(key, error));
    this.#annotator = new KeyedWorker(parallelWrites, (key, error) => {
      options.log.warn(
        { key, error },
        "cannot write what was applied; it is tried again with the next decision",
      );
    });
  }

  decisionOf(record: DeploymentRecord): Decision | undefined {
    return this.#decisions.get(toKey(record));
  }

  /** A decision appeared or changed. */
  decide(decision: Decision): void {
    const key = toKey(decision);
    this.#decisions.set(key, decision);
    this.consider(key);
  }

  /** The aggregator no longer has a decision: what was applied last stays. */
  forget(key: ObjectKey): void {
    this.#decisions.delete(key);
  }

  /** Looks at one revision again: its decision, its Deployment or its mode changed, or this replica began to write. */
  consider(key: ObjectKey): void {
    const { book, clock, isWriter, onEvent } = this.#options;
    const record = book.deployments.get(key);
    const decision = this.#decisions.get(key);
    if (!isWriter() || record === undefined) return;
    if (isLeft(record)) this.#unmark(key);
    if (decision === undefined) return;
    const own = this.#own.get(key);
    const autoscaler = book.findAutoscaler(record);
    const step = decideScaleWrite(record, decision, own, autoscaler !== undefined);
    if (step.write !== undefined) {
      const foundAtMs = clock.monotonic();
      if (step.isOverride) onEvent(record, toOverrideEvent(record, decision));
      this.#worker.submit(key, () => this.#write(key, foundAtMs));
    } else if (step.reason === "autoscaler") {
      onEvent(record, toConflictEvent(autoscaler?.name ?? ""));
    } else if (step.reason === "same") this.#annotate(key);
  }

  /** This replica writes from now on: every decision that is not applied yet is. */
  considerAll(): void {
    for (const key of this.#options.book.deployments.keys()) this.consider(key);
  }

  /** A Deployment is gone, and what was decided for it: one of the same name may come before anybody else knows. */
  drop(key: ObjectKey): void {
    this.#decisions.delete(key);
    this.#own.delete(key);
    this.#backoffs.delete(key);
    this.#told.delete(key);
  }

  async close(): Promise<void> {
    this.#worker.clear();
    this.#annotator.clear();
    await Promise.all([this.#worker.whenIdle(), this.#annotator.whenIdle()]);
  }

  async #write(key: ObjectKey, foundAtMs: number): Promise<void> {
    const { book, client, clock, isWriter, onEvent, onWritten } = this.#options;
    const record = book.deployments.get(key);
    const decision = this.#decisions.get(key);
    if (record === undefined || decision === undefined || !isWriter()) return;
    // It may have been written, or decided back, while this waited for its turn.
    const step = decideScaleWrite(
      record,
      decision,
      this.#own.get(key),
      book.findAutoscaler(record) !== undefined,
    );
    if (step.write === undefined) return;
    const isDown = step.write < record.replicas;
    if (isDown && step.write > 0) await spareBusyPods(client, book.podsOf(record));
    const path = `/apis/apps/v1/namespaces/${record.namespace}/deployments/${record.name}/scale`;
    const body = { spec: { replicas: step.write } };
    const answer = jsonOf(await client.call("PATCH", path, { body, contentType: mergePatch }));
    onWritten(clock.monotonic() - foundAtMs);
    const resourceVersion = textOf(jsonOf(answer["metadata"])["resourceVersion"]);
    const scaledAt = new Date(clock.now()).toISOString();
    this.#own.set(key, { replicas: step.write, resourceVersion, scaledAt });
    this.#backoffs.delete(key);
    const message = `Scaled from ${record.replicas} to ${step.write} pods. ${decision.reason}`;
    onEvent(record, { type: "Normal", reason: "Scaled", message });
    this.#annotate(key);
  }

  /** Says on the Deployment what was applied, when that is news. */
  #annotate(key: ObjectKey): void {
    this.#annotator.submit(key, async () => {
      const { book, client, clock, isWriter, modeOf } = this.#options;
      const record = book.deployments.get(key);
      const decision = this.#decisions.get(key);
      if (record === undefined || decision === undefined || !isWriter()) return;
      const told = this.#told.get(key);
      if (told !== undefined && !hasReached(record.resourceVersion, told)) return;
      const mode = modeOf(record);
      const { applied, writtenReplicas } = record;
      const own = this.#own.get(key);
      const scaledAt = own?.scaledAt ?? applied.scaledAt;
      const isNews =
        applied.decidedAt === undefined || applied.mode !== mode || applied.scaledAt !== scaledAt;
      if (!isNews) return;
      const stored = {
        mode,
        modeSince: applied.mode === mode ? applied.modeSince : new Date(clock.now()).toISOString(),
        decidedAt: decision.decidedAt,
        scaledAt,
        replicas: own?.replicas ?? writtenReplicas,
      };
      const annotations = {
        [names.applied]: JSON.stringify(stored),
        [names.status]: toStatusText(decision, mode),
      };
      this.#told.set(key, await writeAnnotations(client, record, annotations));
    });
  }

  /** A Deployment that is none of ours any more must not go on saying what is wanted of it. */
  #unmark(key: ObjectKey): void {
    this.#annotator.submit(key, async () => {
      const { book, client, isWriter } = this.#options;
      const record = book.deployments.get(key);
      if (record === undefined || !isWriter() || !isLeft(record)) return;
      await writeAnnotations(client, record, { [names.applied]: null, [names.status]: null });
    });
  }

  /** Tries again later what may succeed later; the rest is said once, to the log and to the Deployment. */
  #failed(key: string, error: unknown): void {
    const { book, clock, log, onEvent } = this.#options;
    const name = key as ObjectKey;
    const record = book.deployments.get(name);
    if (record === undefined || (error instanceof ApiError && error.status === 404)) return;
    log.warn({ key, error }, "cannot write a scale");
    if (!isTransient(error)) {
      const message = error instanceof Error ? error.message : String(error);
      onEvent(record, { type: "Warning", reason: "ScaleFailed", message });
    }
    const backoff = this.#backoffs.get(name) ?? new Backoff({ firstMs: 100, capMs: 30_000 });
    this.#backoffs.set(name, backoff);
    // Requests wait for pods: a server that is back must not be asked much later.
    const longestMs = isTransient(error) ? transientRetryMs : Number.POSITIVE_INFINITY;
    clock.setTimer(() => this.consider(name), Math.min(backoff.nextMs(), longestMs));
  }
}

function isLeft(record: DeploymentRecord): boolean {
  return record.isMarked && !record.isManaged && record.revision === undefined;
}

/** Returns the version that has them. */
async function writeAnnotations(
  client: ApiClient,
  { namespace, name }: DeploymentRecord,
  annotations: Readonly<Record<string, string | null>>,
): Promise<string> {
  const body = { metadata: { annotations } };
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`;
  const written = jsonOf(await client.call("PATCH", path, { contentType: mergePatch, body }));
  return textOf(jsonOf(written["metadata"])["resourceVersion"]);
}

function toOverrideEvent(record: DeploymentRecord, decision: Decision): EventText {
  const message = `Somebody set ${record.replicas} replicas; put back to ${decision.desiredPods}. Set autoscaling.knative.dev/min-scale or max-scale to move the bounds.`;
  return { type: "Normal", reason: "ScaleOverridden", message };
}

function toConflictEvent(autoscaler: string): EventText {
  const message = `HorizontalPodAutoscaler ${autoscaler}: spec.scaleTargetRef: must not name a Deployment that Sluice scales; delete it, or set the annotation sluice.dev/enabled to "false".`;
  return { type: "Warning", reason: "AutoscalerConflict", message };
}

/** `5 pods wanted, callers go straight to pods: stable: …`. */
function toStatusText(decision: Decision, mode: Decision["mode"]): string {
  const path = mode === "serve" ? "callers go straight to pods" : "activators are in the path";
  return `${decision.desiredPods} pods wanted, ${path}: ${decision.reason}`;
}
