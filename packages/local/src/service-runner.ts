import type { Decision, Service } from "@sluice/core";
import { chooseRevision, toFeedService, type KnownRevision, type Workload } from "@sluice/manifest";
import type { LaunchPlan } from "./launch-plan.ts";
import type { PodServices } from "./pod.ts";
import { RevisionRunner } from "./revision-runner.ts";

/** As many old revisions as Knative keeps for somebody who wants to go back (`min-non-active-revisions`). */
const keptRevisions = 20;

export type ApplyAction = "created" | "configured" | "unchanged";

/** One service: its revisions, and which of them get its requests. */
export class ServiceRunner {
  readonly #services: PodServices;
  readonly #domains: readonly string[];
  readonly #onChange: () => void;
  /** In order of creation. */
  #revisions: RevisionRunner[] = [];
  #workload: Workload;
  /** The newest revision that came up once; requests for "the newest" go here. */
  #latestReady: string | undefined;

  constructor(workload: Workload, domains: readonly string[], services: PodServices, onChange: () => void) {
    this.#workload = workload;
    this.#domains = domains;
    this.#services = services;
    this.#onChange = onChange;
  }

  get revisions(): readonly RevisionRunner[] {
    return this.#revisions;
  }

  get latest(): RevisionRunner | undefined {
    return this.#revisions.at(-1);
  }

  /** Why this manifest cannot become a revision of this service; none when `apply` may be called. */
  findFaults(workload: Workload): string[] {
    const choice = chooseRevision(workload, this.#known());
    if (choice.outcome === "taken") {
      return [`revision ${choice.name} exists with another template; choose another name for it`];
    }
    const names = new Set([...this.#revisions.map((runner) => runner.spec.name), choice.revision.name]);
    return workload.traffic.flatMap(({ revision }) =>
      revision === undefined || names.has(revision)
        ? []
        : [`traffic names revision ${revision}, which does not exist; there are ${[...names].join(", ")}`],
    );
  }

  apply(workload: Workload, plans: readonly LaunchPlan[]): ApplyAction {
    const isFirst = this.#revisions.length === 0;
    const choice = chooseRevision(workload, this.#known());
    const wasSame = JSON.stringify(this.#workload) === JSON.stringify(workload);
    this.#workload = workload;
    if (choice.outcome === "new") {
      const { name, generation } = choice.revision;
      const runner = new RevisionRunner(
        { name, generation, workload, plans },
        this.toFeed(name),
        this.#services,
        () => this.#revisionChanged(),
      );
      this.#revisions.push(runner);
    }
    this.#publish();
    if (isFirst) return "created";
    return choice.outcome === "unchanged" && wasSame ? "unchanged" : "configured";
  }

  applyDecision(decision: Decision): void {
    this.#revisions.find((runner) => runner.spec.name === decision.name)?.apply(decision);
  }

  /** As the feed has it; `newest` stands in while there is no revision yet. */
  toFeed(newest = this.latest?.spec.name ?? ""): Service {
    return toFeedService(this.#workload, {
      domains: this.#domains,
      latestRevision: this.#latestReady ?? newest,
    });
  }

  async stop(drainLimitMs: number): Promise<void> {
    this.#services.feed.withdraw(this.toFeed());
    await Promise.all(this.#revisions.map(async (runner) => await runner.stop(drainLimitMs)));
  }

  kill(): void {
    for (const runner of this.#revisions) runner.kill();
  }

  #known(): KnownRevision[] {
    return this.#revisions.map(({ spec }) => ({
      name: spec.name,
      generation: spec.generation,
      contentHash: spec.workload.template.contentHash,
    }));
  }

  /** Requests move to a new revision when it is up, never before: a broken one leaves the old one serving. */
  #revisionChanged(): void {
    const { latest } = this;
    if (latest !== undefined && latest.isUp && this.#latestReady !== latest.spec.name) {
      this.#latestReady = latest.spec.name;
      this.#publish();
    }
    this.#forgetOld();
    this.#onChange();
  }

  #publish(): void {
    const service = this.toFeed();
    // Revisions first: a reader must never see a route to a revision that it does not know.
    for (const runner of this.#revisions) {
      const isAwaited = runner === this.latest && this.#latestReady !== runner.spec.name;
      runner.setRoutes(service, isAwaited);
    }
    this.#services.feed.publish(service);
  }

  #forgetOld(): void {
    const idle = this.#revisions.filter((runner) => !runner.isReachable && runner.pods.length === 0);
    for (const runner of idle.slice(0, Math.max(0, idle.length - keptRevisions))) {
      this.#revisions = this.#revisions.filter((kept) => kept !== runner);
      void runner.stop(0);
    }
  }
}
