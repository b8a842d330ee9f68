import type { Clock, Failure, Pod as PodObject } from "@sluice/core";
import { toAppEnvironment, type RevisionTemplate } from "@sluice/manifest";
import type { AddressBook, PodAddress } from "./address-book.ts";
import type { AppPorts } from "./app-ports.ts";
import type { FeedPublisher } from "./feed-publisher.ts";
import { spawnGuarded, type ExitStatus, type GuardedProcess } from "./guarded-process.ts";
import type { LaunchPlan } from "./launch-plan.ts";
import type { LogRing } from "./log-ring.ts";
import type { ReadinessProbe } from "./readiness-probe.ts";
import { ReadinessWatch } from "./readiness-watch.ts";
import { crashLoopFailures } from "./restart-backoff.ts";
import { toSidecarEnvironment, type PodIdentity } from "./sidecar-environment.ts";
import type { SidecarSource } from "./sidecar-source.ts";
import { SupervisedProcess } from "./supervised-process.ts";

/** What every pod of this platform shares. */
export interface PodServices {
  readonly clock: Clock;
  readonly addresses: AddressBook;
  readonly appPorts: AppPorts;
  readonly sidecars: SidecarSource;
  readonly logs: LogRing;
  readonly probe: ReadinessProbe;
  readonly feed: FeedPublisher;
  /** Of the machine: search path, home, language. Nothing else of ours reaches an app. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
}

export interface PodSpec extends PodIdentity {
  readonly template: RevisionTemplate;
  readonly plans: readonly LaunchPlan[];
}

const sidecarContainer = "sidecar";
/** What an app gets to end by itself after its sidecar has let the last request go. */
const appStopLimitMs = 10_000;
const shownLines = 5;

/**
 * One running copy of a revision: its app, its sidecar, one address. Published from the moment that its address is
 * known, long before it is ready, because activators find out for themselves.
 */
export class Pod {
  readonly #spec: PodSpec;
  readonly #services: PodServices;
  readonly #onChange: () => void;
  readonly #startedAt: string;
  readonly startedMs: number;
  #place: PodAddress | undefined;
  #appPort = 0;
  #apps: SupervisedProcess[] = [];
  #sidecar: SupervisedProcess | undefined;
  #watch: ReadinessWatch | undefined;
  #isReady = false;
  #isTerminating = false;
  #failure: Failure | undefined;
  /** Of the run that is going on or has just ended, by container. */
  readonly #lastWords = new Map<string, string[]>();
  #started: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(spec: PodSpec, services: PodServices, onChange: () => void) {
    this.#spec = spec;
    this.#services = services;
    this.#onChange = onChange;
    this.#startedAt = new Date(services.clock.now()).toISOString();
    this.startedMs = services.clock.monotonic();
  }

  get name(): string {
    return this.#spec.name;
  }

  get isReady(): boolean {
    return this.#isReady && !this.#isTerminating;
  }

  get isTerminating(): boolean {
    return this.#isTerminating;
  }

  /** Why it does not come up, once that happened several times in a row. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** Process ids of what runs now, by container. */
  get processes(): Readonly<Record<string, number>> {
    const found: Record<string, number> = {};
    for (const [index, plan] of this.#spec.plans.entries()) {
      const pid = this.#apps[index]?.pid;
      if (pid !== undefined) found[plan.container] = pid;
    }
    if (this.#sidecar?.pid !== undefined) found[sidecarContainer] = this.#sidecar.pid;
    return found;
  }

  /** As the feed has it; undefined while it has no address yet. */
  toFeed(): PodObject | undefined {
    const place = this.#place;
    if (place === undefined) return undefined;
    const { namespace, revision, name, template } = this.#spec;
    return {
      kind: "pod",
      namespace,
      revision,
      name,
      address: place.address,
      ports: template.protocol === "h2c" ? { ...place.ports, h2c: place.ports.main } : place.ports,
      ready: this.#isReady,
      terminating: this.#isTerminating,
      startedAt: this.#startedAt,
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
    };
  }

  start(): void {
    this.#started ??= this.#start();
  }

  /**
   * Out of the activators' sight first, then the sidecar drains, then the app ends; what has not ended after
   * `drainLimitMs` is killed. Resolves when nothing of the pod is left.
   */
  async stop(drainLimitMs: number): Promise<void> {
    this.#stopped ??= this.#stop(drainLimitMs);
    await this.#stopped;
  }

  /** Ends everything at once; for when there is no time left. */
  kill(): void {
    this.#isTerminating = true;
    this.#watch?.stop();
    this.#sidecar?.kill();
    for (const app of this.#apps) app.kill();
  }

  async #start(): Promise<void> {
    const { addresses, appPorts, clock, probe } = this.#services;
    const { template } = this.#spec;
    const wantedPort = template.isAppPortExplicit ? template.appPort : undefined;
    const [place, appPort] = await Promise.all([addresses.take(), appPorts.take(wantedPort)]);
    this.#place = place;
    this.#appPort = appPort;
    if (this.#isTerminating) return;
    this.#apps = this.#spec.plans.map((plan) => this.#createApp(plan));
    this.#sidecar = this.#createSidecar(place);
    // The app first: its own start is the longest part of a cold start. Then the address, because starting a process
    // takes this one some milliseconds, and activators can look for the pod meanwhile.
    for (const app of this.#apps) app.start();
    this.#publish();
    this.#sidecar.start();
    const target = { address: place.address, port: place.ports.main };
    this.#watch = new ReadinessWatch(clock, probe, target, (isReady) => this.#setReady(isReady));
    this.#watch.restart();
  }

  async #stop(drainLimitMs: number): Promise<void> {
    this.#isTerminating = true;
    await this.#started;
    this.#publish();
    this.#onChange();
    await this.#services.feed.acknowledged();
    this.#watch?.stop();
    await this.#sidecar?.stop(drainLimitMs);
    await Promise.all(this.#apps.map(async (app) => await app.stop(appStopLimitMs)));
    const object = this.toFeed();
    if (object !== undefined) this.#services.feed.withdraw(object);
    if (this.#place !== undefined) this.#services.addresses.release(this.#place);
    this.#services.appPorts.release(this.#appPort);
  }

  #createApp(plan: LaunchPlan): SupervisedProcess {
    const { PORT, ...identity } = toAppEnvironment(this.#spec, this.#appPort);
    const environment = {
      ...this.#services.baseEnvironment,
      ...plan.environment,
      ...identity,
      // Only the container that takes requests has a port of its own (reference §1.1).
      ...(plan.isServing && PORT !== undefined ? { PORT } : {}),
    };
    return this.#supervise(plan.container, () =>
      spawnGuarded({ ...plan, environment }, (text) => this.#hear(plan.container, text)),
    );
  }

  #createSidecar(place: PodAddress): SupervisedProcess {
    const variables = toSidecarEnvironment(this.#spec, this.#spec.template, place, this.#appPort);
    return this.#supervise(sidecarContainer, () =>
      this.#services.sidecars.start(variables, (text) => this.#hear(sidecarContainer, text)),
    );
  }

  #supervise(container: string, start: () => GuardedProcess): SupervisedProcess {
    return new SupervisedProcess(this.#services.clock, start, {
      onStart: (process) => {
        this.#lastWords.set(container, []);
        void process.exited.then(() => this.#containerEnded());
      },
      onCrash: ({ status, failures, delayMs }) => {
        this.#log(container, `${describeExit(status)}; starting it again in ${delayMs} ms`);
        if (failures >= crashLoopFailures) this.#fail(container, status);
      },
    });
  }

  /** Said at once, before the output is read to its end, so that activators stop sending here. */
  #containerEnded(): void {
    if (!this.#isTerminating) this.#watch?.restart();
  }

  #fail(container: string, status: ExitStatus): void {
    const lines = this.#lastWords.get(container) ?? [];
    const output = lines.length > 0 ? `; its last output: ${lines.join(" | ")}` : "; it wrote nothing";
    this.#failure = {
      reason: "CrashLoopBackOff",
      message: `${container === sidecarContainer ? "the sidecar" : "the app"} ${describeExit(status)}${output}`,
    };
    this.#publish();
    this.#onChange();
  }

  #setReady(isReady: boolean): void {
    this.#isReady = isReady;
    if (isReady) this.#failure = undefined;
    this.#publish();
    this.#onChange();
  }

  #publish(): void {
    const object = this.toFeed();
    if (object !== undefined) this.#services.feed.publish(object);
  }

  #hear(container: string, text: string): void {
    this.#log(container, text);
    const words = this.#lastWords.get(container);
    if (words === undefined || !isTelling(text)) return;
    words.push(text.trim());
    if (words.length > shownLines) words.shift();
  }

  #log(container: string, text: string): void {
    const at = new Date(this.#services.clock.now()).toISOString();
    this.#services.logs.add({ at, source: this.name, container, text });
  }
}

/** Not what surrounds an error's message in the output of a Node program that it ended. */
function isTelling(text: string): boolean {
  return !/^\s*(at .*|\^*|[{}]|throw err;|Node\.js v.*|node:internal.*)$/.test(text);
}

function describeExit(status: ExitStatus): string {
  return status.signal === undefined
    ? `exited with code ${status.code ?? 0}`
    : `was killed by ${status.signal}`;
}
