import {
  toKey,
  type CancelTimer,
  type Clock,
  type Decision,
  type ObjectKey,
  type Service,
} from "@sluice/core";
import type { Logger } from "@sluice/kit";
import type { ApiClient } from "./api-client.ts";
import type { ClusterBook } from "./cluster-book.ts";
import type { DeploymentRecord } from "./deployment-record.ts";
import { toSliceName, withRivals, type SliceRecord, type WantedSlice } from "./endpoint-slice.ts";
import { decideSwitch, type SwitchState } from "./endpoint-switch.ts";
import { KeyedWorker } from "./keyed-worker.ts";
import { findServiceFault } from "./refusal-event.ts";
import type { ServiceRecord } from "./service-record.ts";
import { SliceBook } from "./slice-book.ts";
import { SliceClient } from "./slice-client.ts";
import { findWantedSlice } from "./wanted-slice.ts";

export interface EndpointWriterOptions {
  readonly client: ApiClient;
  readonly book: ClusterBook;
  readonly clock: Clock;
  readonly log: Logger;
  readonly isWriter: () => boolean;
  readonly serviceOf: (key: ObjectKey) => Service | undefined;
  readonly decisionOf: (record: DeploymentRecord) => Decision | undefined;
  /** Resolves when the activators have what the feed says now, or when that took too long. */
  readonly waitForActivators: () => Promise<void>;
  /** How long nodes may take to follow an EndpointSlice. */
  readonly settleMs: number;
  /** The mode of a revision's endpoints changed. */
  readonly onMode: (key: ObjectKey) => void;
}

const retryMs = 1000;
/** For Kubernetes to write its own endpoints of a Service that got its selector back, before ours go. */
const leaveMs = 1000;

/** Writes the EndpointSlices of selector-less Services: activators, or pods, switched without losing a request. */
export class EndpointWriter {
  readonly #options: EndpointWriterOptions;
  readonly #client: SliceClient;
  readonly #worker: KeyedWorker;
  readonly #slices: SliceBook;
  readonly #states = new Map<ObjectKey, SwitchState>();
  readonly #timers = new Map<ObjectKey, CancelTimer>();
  /** Services whose callers go straight to pods, from before the pods are added until after they are removed. */
  readonly #serving = new Set<ObjectKey>();

  constructor(options: EndpointWriterOptions) {
    this.#options = options;
    this.#client = new SliceClient(options.client);
    this.#slices = new SliceBook(options.clock);
    this.#worker = new KeyedWorker(16, (key, error) => {
      options.log.warn({ service: key, error }, "cannot write endpoints; trying again");
      this.#again(key as ObjectKey, retryMs);
    });
  }

  /**
   * What may be reported for a revision: `proxy` only while no caller can reach its pods directly. A revision whose service
   * has no Service object is reached through activators alone; there nothing has to be switched.
   */
  modeOf(record: DeploymentRecord): Decision["mode"] {
    const services = this.#servicesOf(record.namespace, record.service);
    if (services.length === 0) return this.#options.decisionOf(record)?.mode ?? record.applied.mode;
    return services.some((service) => this.#serving.has(toKey(service))) ? "serve" : "proxy";
  }

  observe(record: SliceRecord | undefined, previous: SliceRecord | undefined): void {
    const slice = record ?? previous;
    if (slice === undefined) return;
    if (record === undefined) this.#slices.delete(slice);
    else this.#slices.set(record);
    const service = toKey({ namespace: slice.namespace, name: slice.service });
    if (slice.role === "pods" && record !== undefined) this.#serving.add(service);
    this.consider(service);
  }

  /** Looks at every Service of a revision's service again. */
  considerRevision(record: DeploymentRecord): void {
    for (const service of this.#servicesOf(record.namespace, record.service)) this.consider(toKey(service));
  }

  considerAll(): void {
    const keys = [...this.#options.book.services.keys(), ...this.#slices.services()];
    for (const key of new Set(keys)) this.consider(key);
  }

  consider(key: ObjectKey): void {
    if (!this.#options.isWriter()) return;
    const service = this.#options.book.services.get(key);
    if (service !== undefined && !service.hasSelector) this.#worker.submit(key, () => this.#step(key));
    else if (this.#slices.of(key).size > 0) this.#again(key, leaveMs, () => this.#leave(key));
  }

  /** A Service is gone, or no longer ours: it lost its label. */
  drop(key: ObjectKey): void {
    this.#timers.get(key)?.();
    this.#timers.delete(key);
    this.#states.delete(key);
    this.#serving.delete(key);
    this.consider(key);
  }

  async close(): Promise<void> {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.#worker.clear();
    await this.#worker.whenIdle();
  }

  #servicesOf(namespace: string, name: string): ServiceRecord[] {
    return this.#options.book.servicesOf(namespace, name).filter((service) => !service.hasSelector);
  }

  async #step(key: ObjectKey): Promise<void> {
    const { book, clock, settleMs, isWriter } = this.#options;
    const service = book.services.get(key);
    if (service === undefined || !isWriter() || findServiceFault(service, book) !== undefined) return;
    const wanted = findWantedSlice(service, this.#options);
    if (wanted === undefined) return;
    const existing = this.#slices.of(key);
    const state = this.#states.get(key) ?? {};
    const step = decideSwitch({ wanted, existing, nowMs: clock.monotonic(), settleMs }, state);
    this.#states.set(key, step.state);
    const hasRivals = existing.size === 0 || [...existing.values()].some((slice) => slice.hasRivals);
    if (step.write !== undefined) {
      await this.#write(service, withRivals(step.write, hasRivals), existing.get(step.write.role));
    }
    if (step.remove !== undefined)
      await this.#client.remove(service.namespace, toSliceName(service.name, step.remove));
    if (step.againInMs !== undefined) this.#again(key, step.againInMs);
    if (step.isDone && wanted.role === "activators" && this.#serving.delete(key)) this.#reportMode(service);
    // Ours are seen by now, so requests have somewhere to go.
    if (step.isDone && hasRivals) await this.#removeRivals(service, wanted);
  }

  async #removeRivals(service: ServiceRecord, slice: WantedSlice): Promise<void> {
    const { namespace } = service;
    if (await this.#client.removeRivals(service)) {
      const key = toKey({ namespace, name: slice.name });
      await this.#slices.writeAndSee(key, () => this.#client.replace(namespace, slice));
    } else this.#again(toKey(service), retryMs);
  }

  /** The Service has its selector back, or is none of ours any more: our endpoints would lead it astray for ever. */
  #leave(key: ObjectKey): void {
    this.#worker.submit(key, async () => {
      const service = this.#options.book.services.get(key);
      if (!this.#options.isWriter() || service?.hasSelector === false) return;
      for (const { namespace, name } of this.#slices.of(key).values()) {
        await this.#client.remove(namespace, name);
      }
    });
  }

  async #write(service: ServiceRecord, wanted: WantedSlice, before: SliceRecord | undefined): Promise<void> {
    const key = toKey(service);
    if (wanted.role === "pods" && !this.#serving.has(key)) {
      // Said before the first caller can be there: from now on pods have to be scraped.
      this.#serving.add(key);
      this.#reportMode(service);
    }
    if (wanted.role === "activators" && before === undefined) await this.#options.waitForActivators();
    const { namespace } = service;
    await this.#slices.writeAndSee(toKey({ namespace, name: wanted.name }), () =>
      before === undefined ? this.#client.create(namespace, wanted) : this.#client.replace(namespace, wanted),
    );
  }

  #reportMode(service: ServiceRecord): void {
    for (const record of this.#options.book.deploymentsOf(service.namespace, service.service)) {
      this.#options.onMode(toKey(record));
    }
  }

  #again(key: ObjectKey, delayMs: number, next = (): void => this.consider(key)): void {
    this.#timers.get(key)?.();
    const cancel = this.#options.clock.setTimer(() => {
      this.#timers.delete(key);
      next();
    }, delayMs);
    this.#timers.set(key, cancel);
  }
}
