import { randomBytes } from "node:crypto";
import type { Applied, Decision, Failure, Pod as PodObject, Revision, Service } from "@sluice/core";
import { toFeedRevision, type Workload } from "@sluice/manifest";
import type { LaunchPlan } from "./launch-plan.ts";
import { readPodLoad } from "./pod-load.ts";
import { Pod, type PodServices } from "./pod.ts";
import { pickVictims } from "./scale-plan.ts";

export interface RevisionSpec {
  readonly name: string;
  /** Counts the templates of a service from 1. */
  readonly generation: number;
  /** The manifest that made it; later manifests make other revisions. */
  readonly workload: Workload;
  readonly plans: readonly LaunchPlan[];
}

/** One revision on this machine: keeps as many pods running as the last decision asks for, and says what it did. */
export class RevisionRunner {
  readonly spec: RevisionSpec;
  readonly #services: PodServices;
  readonly #onChange: () => void;
  readonly #createdAt: string;
  readonly #pods = new Set<Pod>();
  readonly #stopping = new Set<Promise<void>>();
  #applied: Applied;
  #service: Service;
  #isAwaited = false;
  #decision: Decision | undefined;
  #published = "";
  #isScalingDown = false;
  #isStopping = false;

  constructor(spec: RevisionSpec, service: Service, services: PodServices, onChange: () => void) {
    this.spec = spec;
    this.#service = service;
    this.#services = services;
    this.#onChange = onChange;
    this.#createdAt = this.#now();
    this.#applied = { replicas: 0, mode: "proxy", modeSince: this.#createdAt };
  }

  /** Ready and staying. */
  get readyCount(): number {
    return this.#running().filter((pod) => pod.isReady).length;
  }

  /** The first decision is carried out, or needs no pod: traffic may come here. */
  get isUp(): boolean {
    return this.#decision !== undefined && (this.#decision.desiredPods === 0 || this.readyCount > 0);
  }

  get isReachable(): boolean {
    return this.toFeed().reachable;
  }

  get podCount(): number {
    return this.#running().length;
  }

  get pods(): readonly Pod[] {
    return [...this.#pods];
  }

  get decision(): Decision | undefined {
    return this.#decision;
  }

  /** The number of pods that the platform was told to run and works on. */
  get appliedReplicas(): number {
    return this.#applied.replicas;
  }

  /** Known while no pod is ready and at least one keeps failing: what held requests are answered with. */
  get failure(): Failure | undefined {
    if (this.readyCount > 0) return undefined;
    return this.#running().find((pod) => pod.failure !== undefined)?.failure;
  }

  /** What the service's routes are now. A revision that is awaited gets traffic once it is up, so it counts as reachable. */
  setRoutes(service: Service, isAwaited: boolean): void {
    this.#service = service;
    this.#isAwaited = isAwaited;
    this.publish();
  }

  /** Puts a decision into effect. Safe to call with the same one again, and with an older one that comes late. */
  apply(decision: Decision): void {
    if (this.#isStopping) return;
    this.#decision = decision;
    const { desiredPods: replicas, mode, decidedAt } = decision;
    const isRescaled = replicas !== this.#applied.replicas;
    const isNewMode = mode !== this.#applied.mode;
    if (isRescaled || isNewMode || this.#applied.decidedAt === undefined) {
      const now = this.#now();
      this.#applied = {
        replicas,
        mode,
        modeSince: isNewMode ? now : this.#applied.modeSince,
        decidedAt,
        ...(isRescaled ? { scaledAt: now } : this.#applied.scaledAt && { scaledAt: this.#applied.scaledAt }),
      };
    }
    this.#scale();
    this.publish();
    this.#onChange();
  }

  /** Says on the feed what this revision is, if that changed. */
  publish(): void {
    if (this.#isStopping) return;
    const object = this.toFeed();
    const text = JSON.stringify(object);
    if (text === this.#published) return;
    this.#published = text;
    this.#services.feed.publish(object);
  }

  toFeed(): Revision {
    const { name, workload } = this.spec;
    const failure = this.failure;
    const facts = {
      name,
      createdAt: this.#createdAt,
      applied: this.#applied,
      ...(failure === undefined ? {} : { failure }),
    };
    const revision = toFeedRevision(workload, this.#service, facts);
    return this.#isAwaited ? { ...revision, reachable: true } : revision;
  }

  /** Its pods as the feed has them. */
  toPods(): PodObject[] {
    return this.pods.flatMap((pod) => pod.toFeed() ?? []);
  }

  /** Stops every pod, each as `Pod.stop` does, and takes the revision off the feed. */
  async stop(drainLimitMs: number): Promise<void> {
    this.#isStopping = true;
    for (const pod of this.#running()) this.#stopPod(pod, drainLimitMs);
    await Promise.all(this.#stopping);
    this.#services.feed.withdraw(this.toFeed());
  }

  kill(): void {
    this.#isStopping = true;
    for (const pod of this.#pods) pod.kill();
  }

  #running(): Pod[] {
    return [...this.#pods].filter((pod) => !pod.isTerminating);
  }

  /** Up at once; down one change at a time, because finding out who is least busy takes a moment. */
  #scale(): void {
    while (this.podCount < this.#applied.replicas) this.#startPod();
    if (this.podCount > this.#applied.replicas && !this.#isScalingDown) void this.#scaleDown();
  }

  #startPod(): void {
    const { name, plans, workload } = this.spec;
    const { namespace, template } = workload;
    const podName = `${name}-${randomBytes(4).toString("hex").slice(0, 5)}`;
    const pod = new Pod(
      { namespace, service: workload.name, revision: name, name: podName, template, plans },
      this.#services,
      () => this.#podChanged(),
    );
    this.#pods.add(pod);
    pod.start();
  }

  async #scaleDown(): Promise<void> {
    this.#isScalingDown = true;
    const standings = await Promise.all(
      this.#running().map(async (pod) => {
        const object = pod.isReady ? pod.toFeed() : undefined;
        const inFlight = object === undefined ? 0 : await readPodLoad(object);
        return { name: pod.name, isReady: pod.isReady, startedMs: pod.startedMs, inFlight, pod };
      }),
    );
    this.#isScalingDown = false;
    const remaining = standings.filter(({ pod }) => !pod.isTerminating);
    const excess = this.podCount - this.#applied.replicas;
    if (excess <= 0 || this.#isStopping) return;
    const victims = new Set(pickVictims(remaining, excess).map((victim) => victim.name));
    for (const { pod } of remaining) {
      if (victims.has(pod.name)) this.#stopPod(pod, this.spec.workload.template.timeouts.request * 1000);
    }
    this.#podChanged();
  }

  #stopPod(pod: Pod, drainLimitMs: number): void {
    const stopped = this.#endPod(pod, drainLimitMs).finally(() => this.#stopping.delete(stopped));
    this.#stopping.add(stopped);
  }

  async #endPod(pod: Pod, drainLimitMs: number): Promise<void> {
    await pod.stop(drainLimitMs);
    this.#pods.delete(pod);
    this.#podChanged();
  }

  #podChanged(): void {
    this.publish();
    this.#onChange();
  }

  #now(): string {
    return new Date(this.#services.clock.now()).toISOString();
  }
}
