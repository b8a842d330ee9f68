import type { CancelTimer, Clock } from "@sluice/core";
import { LogOnce, type Logger } from "@sluice/kit";
import type { ApiClient } from "./api-client.ts";
import { ApiError } from "./api-error.ts";
import { jsonOf, type Json } from "./api-object.ts";
import { decideLease, leaseGiveUpMs, leaseRenewMs, toLease, type LeaseMemory } from "./lease.ts";

export interface LeaseHolderOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly namespace: string;
  readonly name: string;
  /** Who we are; another for each start, so that a restarted process is not its own predecessor. */
  readonly identity: string;
  onChange(isHolder: boolean): void;
}

const retryMs = 2000;

/** Holds the lease when it can: of several replicas one writes. Stops at once when it cannot be sure any more. */
export class LeaseHolder {
  readonly #options: LeaseHolderOptions;
  readonly #failures: LogOnce;
  readonly #path: string;
  #memory: LeaseMemory | undefined;
  #lease: Json | undefined;
  #isHolder = false;
  #isClosed = false;
  #renewedAtMs = 0;
  #cancelNext: CancelTimer | undefined;
  #cancelGiveUp: CancelTimer | undefined;

  constructor(options: LeaseHolderOptions) {
    this.#options = options;
    this.#failures = new LogOnce(options.log);
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`;
  }

  get isHolder(): boolean {
    return this.#isHolder;
  }

  /** Tries once, and then for as long as it is open. */
  async start(): Promise<void> {
    await this.#turn();
  }

  /** Gives the lease back, so that another replica need not wait for its end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelNext?.();
    const wasHolder = this.#isHolder;
    this.#set(false);
    if (!wasHolder || this.#lease === undefined) return;
    const spec = { ...jsonOf(this.#lease["spec"]), holderIdentity: "", leaseDurationSeconds: 1 };
    try {
      await this.#replace({ ...this.#lease, spec });
    } catch (error) {
      this.#options.log.info({ error }, "the lease was not given back; it runs out by itself");
    }
  }

  async #turn(): Promise<void> {
    try {
      await this.#tryOnce();
      this.#failures.solved("the lease can be read again");
    } catch (error) {
      this.#failures.warn("cannot renew the lease", { error });
      this.#lease = undefined;
      // Somebody else wrote it: from this moment on two might write.
      if (error instanceof ApiError && error.status === 409) this.#set(false);
    }
    if (this.#isClosed) return;
    this.#cancelNext = this.#options.clock.setTimer(
      () => void this.#turn(),
      this.#isHolder ? leaseRenewMs : retryMs,
    );
  }

  async #tryOnce(): Promise<void> {
    const { clock, identity, name, namespace } = this.#options;
    const lease = this.#isHolder && this.#lease !== undefined ? this.#lease : await this.#read();
    const step = decideLease(lease, identity, this.#memory, clock.monotonic());
    this.#memory = step.memory;
    if (step.action === "wait") {
      this.#set(false);
      return;
    }
    const startedAtMs = clock.monotonic();
    const next = toLease(lease, step.action, { name, namespace, identity, wallMs: clock.now() });
    this.#lease = step.action === "create" ? await this.#create(next) : await this.#replace(next);
    this.#renewedAtMs = startedAtMs;
    this.#set(true);
  }

  async #read(): Promise<Json | undefined> {
    try {
      const path = `${this.#path}/${this.#options.name}`;
      return jsonOf(await this.#options.client.call("GET", path, { timeoutMs: leaseRenewMs }));
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  async #create(lease: Json): Promise<Json> {
    return jsonOf(
      await this.#options.client.call("POST", this.#path, { body: lease, timeoutMs: leaseRenewMs }),
    );
  }

  /** The resource version in it makes a replica that was overtaken fail with 409. */
  async #replace(lease: Json): Promise<Json> {
    const path = `${this.#path}/${this.#options.name}`;
    return jsonOf(await this.#options.client.call("PUT", path, { body: lease, timeoutMs: leaseRenewMs }));
  }

  #set(isHolder: boolean): void {
    this.#cancelGiveUp?.();
    if (isHolder) {
      const leftMs = this.#renewedAtMs + leaseGiveUpMs - this.#options.clock.monotonic();
      this.#cancelGiveUp = this.#options.clock.setTimer(() => this.#set(false), leftMs);
    }
    if (this.#isHolder === isHolder) return;
    this.#isHolder = isHolder;
    this.#options.log.info(
      { identity: this.#options.identity },
      isHolder ? "this replica writes" : "this replica does not write",
    );
    this.#options.onChange(isHolder);
  }
}
