import {
  findOwner,
  toKey,
  type CancelTimer,
  type Clock,
  type Decision,
  type ObjectKey,
  type Service,
} from "@sluice/core";
import type { Logger } from "@sluice/kit";
import type { ApiClient } from "./api-client.ts";
import { ApiError } from "./api-error.ts";
import type { ClusterBook } from "./cluster-book.ts";
import type { DeploymentRecord } from "./deployment-record.ts";
import {
  toSlice,
  toSliceName,
  type SliceEndpoint,
  type SliceRecord,
  type SliceRole,
  type WantedSlice,
} from "./endpoint-slice.ts";
import { decideSwitch, type SwitchState } from "./endpoint-switch.ts";
import type { MemberRecord } from "./pod-record.ts";
import { KeyedWorker } from "./keyed-worker.ts";
import { findServiceFault } from "./refusal-event.ts";
import type { ServiceRecord } from "./service-record.ts";

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

/** The activators that stand for a revision: the same ones whichever replica asks, another set for each revision. */
export function pickActivators(members: readonly MemberRecord[], key: string, count: number): MemberRecord[] {
  const left = new Map(
    members.filter((member) => member.ready && member.address !== "").map((member) => [member.name, member]),
  );
  const picked: MemberRecord[] = [];
  while (picked.length < count && left.size > 0) {
    const owner = left.get(findOwner(key, left.keys()) ?? "");
    if (owner === undefined) break;
    left.delete(owner.name);
    picked.push(owner);
  }
  return picked;
}

/** Writes the EndpointSlices of selector-less Services: activators, or pods, switched without losing a request. */
export class EndpointWriter {
  readonly #options: EndpointWriterOptions;
  readonly #worker: KeyedWorker;
  readonly #slices = new Map<ObjectKey, SliceRecord>();
  readonly #states = new Map<ObjectKey, SwitchState>();
  readonly #timers = new Map<ObjectKey, CancelTimer>();
  /** Services whose callers go straight to pods, from before the pods are added until after they are removed. */
  readonly #serving = new Set<ObjectKey>();

  constructor(options: EndpointWriterOptions) {
    this.#options = options;
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
    const key = toKey(slice);
    if (record === undefined) this.#slices.delete(key);
    else this.#slices.set(key, record);
    const service = toKey({ namespace: slice.namespace, name: slice.service });
    if (slice.role === "pods" && record !== undefined) this.#serving.add(service);
    this.consider(service);
  }

  /** Looks at every Service of a revision's service again. */
  considerRevision(record: DeploymentRecord): void {
    for (const service of this.#servicesOf(record.namespace, record.service)) this.consider(toKey(service));
  }

  considerAll(): void {
    for (const key of this.#options.book.services.keys()) this.consider(key);
  }

  consider(key: ObjectKey): void {
    if (!this.#options.isWriter() || !this.#options.book.services.has(key)) return;
    this.#worker.submit(key, () => this.#step(key));
  }

  /** A Service is gone, and its slices with it. */
  drop(key: ObjectKey): void {
    this.#timers.get(key)?.();
    this.#timers.delete(key);
    this.#states.delete(key);
    this.#serving.delete(key);
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
    const wanted = this.#toWanted(service);
    if (wanted === undefined) return;
    const existing = this.#existing(service);
    const state = this.#states.get(key) ?? {};
    const step = decideSwitch({ wanted, existing, nowMs: clock.monotonic(), settleMs }, state);
    this.#states.set(key, step.state);
    if (step.write !== undefined) await this.#write(service, step.write, existing.get(step.write.role));
    if (step.remove !== undefined) await this.#remove(service, step.remove);
    if (step.againInMs !== undefined) this.#again(key, step.againInMs);
    if (step.isDone && wanted.role === "activators" && this.#serving.delete(key)) this.#reportMode(service);
  }

  #existing(service: ServiceRecord): Map<SliceRole, SliceRecord> {
    const found = new Map<SliceRole, SliceRecord>();
    for (const role of ["activators", "pods"] as const) {
      const slice = this.#slices.get(
        toKey({ namespace: service.namespace, name: toSliceName(service.name, role) }),
      );
      if (slice !== undefined) found.set(role, slice);
    }
    return found;
  }

  /** The only revision behind a service, where there is one: only then can callers go straight to pods. */
  #onlyRevision(service: ServiceRecord): DeploymentRecord | undefined {
    const { book, serviceOf } = this.#options;
    if (service.tag !== undefined) return undefined;
    const traffic = serviceOf(toKey({ namespace: service.namespace, name: service.service }))?.traffic ?? [];
    const [entry, ...others] = traffic.filter(({ percent }) => percent > 0);
    if (entry === undefined || others.length > 0) return undefined;
    return book.deployments.get(toKey({ namespace: service.namespace, name: entry.revision }));
  }

  #toWanted(service: ServiceRecord): WantedSlice | undefined {
    const { book, decisionOf } = this.#options;
    const record = this.#onlyRevision(service);
    const decision = record === undefined ? undefined : decisionOf(record);
    const pods =
      record === undefined
        ? []
        : book.podsOf(record).filter((pod) => pod.ready && !pod.terminating && pod.address !== "");
    const [pod] = pods;
    if (pod !== undefined && decision?.mode === "serve") {
      return toSlice(service, "pods", pods.map(toEndpoint), pod.ports.main);
    }
    const count = decision?.numActivators ?? Number.POSITIVE_INFINITY;
    const activators = pickActivators(book.members("activator"), toKey(service), Math.max(1, count));
    const port = activators[0]?.ports["internal"];
    // Without any activator what is there stays: an old address may still answer, none never does.
    return port === undefined ? undefined : toSlice(service, "activators", activators.map(toEndpoint), port);
  }

  async #write(service: ServiceRecord, wanted: WantedSlice, before: SliceRecord | undefined): Promise<void> {
    const { client, waitForActivators } = this.#options;
    const key = toKey(service);
    if (wanted.role === "pods" && !this.#serving.has(key)) {
      // Said before the first caller can be there: from now on pods have to be scraped.
      this.#serving.add(key);
      this.#reportMode(service);
    }
    if (wanted.role === "activators" && before === undefined) await waitForActivators();
    const path = `/apis/discovery.k8s.io/v1/namespaces/${service.namespace}/endpointslices`;
    if (before === undefined) {
      await client.call("POST", path, { body: wanted.json }).catch(ignoreExisting);
    } else {
      await client.call("PUT", `${path}/${wanted.name}`, { body: wanted.json });
    }
  }

  async #remove(service: ServiceRecord, role: SliceRole): Promise<void> {
    const name = toSliceName(service.name, role);
    const path = `/apis/discovery.k8s.io/v1/namespaces/${service.namespace}/endpointslices/${name}`;
    try {
      await this.#options.client.call("DELETE", path);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    }
  }

  #reportMode(service: ServiceRecord): void {
    for (const record of this.#options.book.deploymentsOf(service.namespace, service.service)) {
      this.#options.onMode(toKey(record));
    }
  }

  #again(key: ObjectKey, delayMs: number): void {
    this.#timers.get(key)?.();
    const cancel = this.#options.clock.setTimer(() => {
      this.#timers.delete(key);
      this.consider(key);
    }, delayMs);
    this.#timers.set(key, cancel);
  }
}

function toEndpoint(member: { readonly address: string; readonly name: string }): SliceEndpoint {
  return { address: member.address, pod: member.name };
}

/** Created by another replica a moment ago: our watch will show it. */
function ignoreExisting(error: unknown): void {
  if (!(error instanceof ApiError) || error.reason !== "AlreadyExists") throw error;
}
